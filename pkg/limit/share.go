package limit

// reserve is the part of a budget that is divided equally when demand is above it, so that whoever has just
// begun gets something before it can show what it needs.
const reserve = 0.05

// Share is the part of a common budget, 0 to 1, for one of n who share it. demand is what it would use, and sum what
// all would, both as parts of the budget and not negative. While there is enough, each has what it demands and an equal part of
// the rest; otherwise each has in proportion to its demand ("flow proportional share" of Raghavan et al., Cloud
// Control with Distributed Rate Limiting, SIGCOMM 2007), but for the reserve. The Shares of all, by the same demands, add up
// to 1.
func Share(demand, sum float64, n int) float64 {
	if sum <= 1-reserve {
		return demand + (1-sum)/float64(n)
	}
	return (1-reserve)*demand/sum + reserve/float64(n)
}
