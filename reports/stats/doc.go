// Package stats holds the few statistics that a report needs: means and
// differences of means with intervals and tests, equivalence by two one-sided
// tests, counts and shares, Holm's correction, and how many seeds would do.
//
// A difference is tested in one of three ways, chosen before the data are seen
// (see Method): by the t test on differences paired by seed, by the sign-flip
// test on the same differences, or by Welch's test on two independent samples.
// What a reader must believe for each:
//
//   - t: the differences are independent draws of one normal distribution.
//     With a handful of seeds that cannot be checked.
//   - sign-flip: they are independent, each symmetric about the true difference.
//     No shape, no equal spread; the price is that few seeds reach no small
//     level: see LeastSeeds. Skewed differences fool it as they fool the t test:
//     of 8 exponential ones, 5 % bounds on the side of the short tail err in 13 %.
//   - Welch: the values of each side are independent draws of a normal
//     distribution of its own. It is an approximation: with 3 and 5 values of
//     unequal spread its 95 % interval covers 93 %.
//
// # What happens where data are thin
//
// No function returns NaN and none fails. A value that is NaN, infinite or
// beyond 1e150 is missing: it is left out, and N says how many are left. A test
// without a usable spread (fewer than two values, or values that are all the
// same up to rounding) has the interval (-Inf, +Inf) and p values of 1: such
// data show nothing either way. Identical values are treated so because their
// spread was not observed to be small, it was not observed at all, as when a
// trainer ignores its seed; a t interval of no width would claim certainty.
//
// The sign-flip test estimates no spread, so differences that are all the same
// have their exact p, 1/2^n where they are not 0, as long as the values that they
// are the differences of vary over the seeds. Where neither side's do, it has
// none either: n copies of one run look like that, which casts doubt on the one
// thing that it assumes for certain, that the seeds are independent.
package stats
