package rules

import (
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// zoneCost is what it costs to look up a time zone, which is in a file.
const zoneCost = 1000

// prices are the costs of calls, in CEL's units. CEL's own go by the declared types of the arguments, and so take
// every call with a part of the payload, whose type is not known before, for a cheap one.
type prices struct{}

// CallCost implements cost.ActualCostEstimator: one for the call, one for each ten bytes of text or elements that
// go in or come out, and one for each element where elements are compared.
func (prices) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	compares := function == "_==_" || function == "_!=_" || function == "@in"
	cost := 1 + price(result, false)
	for _, arg := range args {
		cost += price(arg, compares)
	}
	if function == "matches" && len(args) == 2 {
		if pattern, ok := args[1].(types.String); ok {
			cost *= 1 + uint64(len(pattern))/4
		}
	}
	if strings.HasPrefix(function, "get") && len(args) > 1 {
		cost += zoneCost
	}
	return &cost
}

func price(v ref.Val, compared bool) uint64 {
	switch v := v.(type) {
	case types.String:
		return uint64(len(v)) / 10
	case types.Bytes:
		return uint64(len(v)) / 10
	case *list, *object: // they count what is done with them
		return 0
	case traits.Sizer:
		n, _ := v.Size().(types.Int)
		if compared {
			return uint64(n)
		}
		return uint64(n) / 10
	}
	return 0
}
