package rules

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
	"cel.dev/cel-go/interpreter"
)

const (
	maxExpression = 4096    // bytes of an expression
	maxLiteral    = 64      // bytes of a literal that a string is blown up with
	maxRegexp     = 250     // instructions of a regular expression
	maxCost       = 100_000 // of one evaluation, in CEL's units: some milliseconds
	maxElements   = 100_000 // of a value that nested loops make
)

// environment has the variables that an expression sees. Making it takes a while, so that it is made once.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("type", cel.StringType),
		cel.Variable("topic", cel.StringType),
		cel.Variable("room", cel.StringType),
		cel.Variable("user", cel.StringType),
		cel.Variable("target", cel.StringType),
		cel.Variable("roles", cel.ListType(cel.StringType)),
		cel.Variable("payload", cel.DynType),
		cel.Variable("metadata", cel.MapType(cel.StringType, cel.DynType)),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(60),
		cel.ExpressionNodeLimit(5000),
		cel.RegexProgramSizeLimit(maxRegexp),
		ext.Strings(ext.StringsVersion(3)),
	)
})

// expression is a compiled CEL expression. It is immutable, and safe for use by several goroutines.
type expression struct {
	text    string
	program cel.Program
}

// mistake is what is wrong with an expression, and where in it.
type mistake struct {
	line, column int // from 1; 0 or less: not known
	text         string
}

// compile compiles an expression whose result is of type want, or not known before it runs.
func compile(text string, want *cel.Type) (*expression, []mistake) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, []mistake{{text: "is empty"}}
	case len(text) > maxExpression:
		return nil, []mistake{{text: fmt.Sprintf("is longer than %d bytes", maxExpression)}}
	}
	env, err := environment()
	if err != nil {
		return nil, []mistake{{text: err.Error()}}
	}
	text = strings.TrimRight(text, " \t\r\n") // a block of YAML ends in a line feed
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		var all []mistake
		for _, e := range issues.Errors() {
			all = append(all, mistake{e.Location.Line(), e.Location.Column() + 1, oneLine(e.Message)})
		}
		return nil, all
	}
	if out := checked.OutputType(); want != cel.DynType && out.Kind() != types.DynKind && !out.IsExactType(want) {
		gives := fmt.Sprintf("gives %s, must give %s", cel.FormatCELType(out), cel.FormatCELType(want))
		return nil, []mistake{{text: gives}}
	}
	native := checked.NativeRep()
	s := survey{ast: native}
	ast.PostOrderVisit(native.Expr(), ast.NewExprVisitor(s.visit))
	if len(s.mistakes) > 0 {
		return nil, s.mistakes
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if !s.plain() {
		options = append(options, cel.CostTracking(prices{}), cel.CostLimit(maxCost))
	}
	if s.loops > 1 {
		sizes := types.NewSizeCalculator(
			types.SizeCalculatorMaxDepth(maxDepth), types.SizeCalculatorMaxTraversal(maxElements))
		options = append(options, cel.MemoryTracking(types.MemoryTrackerSizeCalculator(sizes)), cel.MemoryLimit(maxElements))
	}
	program, err := env.Program(checked, options...)
	if err != nil {
		return nil, []mistake{{text: oneLine(err.Error())}}
	}
	return &expression{text, program}, nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// survey looks over an expression: what its cost may be, and what it must not call.
type survey struct {
	ast      *ast.AST
	loops    int
	costly   bool
	mistakes []mistake
}

// cheap are the functions whose work grows with the expression and the payload at most, and whose results are no
// longer than what they are given. What has nothing else needs no limits of its own.
var cheap = func() map[string]bool {
	names := "_==_ _!=_ _<_ _<=_ _>_ _>=_ _&&_ _||_ !_ _?_:_ _[_] @in @not_strictly_false -_ _-_ _*_ _/_ _%_ size type " +
		"startsWith endsWith contains int double string bool lowerAscii upperAscii trim substring indexOf"
	set := make(map[string]bool)
	for name := range strings.FieldsSeq(names) {
		set[name] = true
	}
	return set
}()

// plain reports that the expression needs no limits: the work counted by the values of the payload is enough.
func (s *survey) plain() bool { return s.loops == 0 && !s.costly }

func (s *survey) visit(e ast.Expr) {
	switch e.Kind() {
	case ast.ComprehensionKind:
		s.loops++
	case ast.CallKind:
		call := e.AsCall()
		name, args := call.FunctionName(), call.Args()
		if !cheap[name] {
			s.costly = true
		}
		if why := refuse(name, args); why != "" {
			s.wrong(e, why)
		}
	}
}

// refuse says why a function must not be called like this: because one call, of which the limits hear when it is
// done, could take long or make very much of little.
func refuse(name string, args []ast.Expr) string {
	switch name {
	case "format":
		return "format is not supported: use + and string()"
	case "matches":
		pattern, ok := textOf(args[len(args)-1])
		if !ok || pattern == "" {
			return "the pattern of matches must be a literal that is not empty"
		}
		if _, err := regexp.Compile(pattern); err != nil {
			return oneLine(err.Error())
		}
	case "replace":
		what, ok := textOf(args[0])
		with, also := textOf(args[1])
		if !ok || !also || what == "" || len(with) > maxLiteral {
			return fmt.Sprintf("replace needs literals: one that is not empty, and one of at most %d bytes", maxLiteral)
		}
	case "join":
		if len(args) > 0 && !short(args[0]) {
			return fmt.Sprintf("join needs a literal of at most %d bytes", maxLiteral)
		}
	case "indexOf", "lastIndexOf":
		if !short(args[0]) {
			return fmt.Sprintf("%s needs a literal of at most %d bytes", name, maxLiteral)
		}
	}
	return ""
}

// short reports whether e is a literal text that is not long.
func short(e ast.Expr) bool {
	text, ok := textOf(e)
	return ok && len(text) <= maxLiteral
}

func textOf(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

func (s *survey) wrong(e ast.Expr, text string) {
	at := s.ast.SourceInfo().GetStartLocation(e.ID())
	s.mistakes = append(s.mistakes, mistake{at.Line(), at.Column() + 1, text})
}

// errLimit is the error of an expression that was cut off: it tells nothing about the message.
var errLimit = errors.New("cut off")

// eval evaluates the expression over the variables of a scope.
func (x *expression) eval(s *scope) (ref.Val, error) {
	s.work.left = maxWork
	v, _, err := x.program.Eval(s)
	if err == nil {
		return v, nil
	}
	var cancelled interpreter.EvalCancelledError
	if errors.As(err, &cancelled) || strings.HasPrefix(err.Error(), "internal error:") {
		return nil, fmt.Errorf("%w: %s", errLimit, oneLine(err.Error()))
	}
	return nil, errors.New(oneLine(err.Error()))
}

// evalString evaluates an expression that gives a string.
func (x *expression) evalString(s *scope) (string, error) {
	v, err := x.eval(s)
	if err != nil {
		return "", err
	}
	text, ok := v.(types.String)
	if !ok {
		return "", fmt.Errorf("gives %s, must give string", v.Type().TypeName())
	}
	return strings.Clone(string(text)), nil
}
