# Writes reference_r.json: what R says about t tests, counts, Holm's correction
# and power, and what plain enumeration says about sign flips.
#
# Made with R 4.2.2:  Rscript reference.R > reference_r.json

num <- function(x) sprintf("%.17g", x)
arr <- function(x) sprintf("[%s]", paste(sprintf("%.17g", x), collapse = ", "))
obj <- function(...) {
  fields <- list(...)
  sprintf("{%s}", paste(sprintf("\"%s\": %s", names(fields), fields), collapse = ", "))
}
lst <- function(items) sprintf("[\n  %s\n]", paste(items, collapse = ",\n  "))

alphas <- c(0.25, 0.1, 0.05, 0.0125)
shifts <- c(-3, 0, 0.5, 3)
margin <- 2

# --- t tests -----------------------------------------------------------------

samples <- list(
  three = list(c(73.1, 73.4, 73.0), c(72.0, 72.6, 72.1)),
  five = list(c(46.1, 44.9, 45.2, 47.0, 46.1), c(45.2, 45.7, 43.9, 46.8, 46.2)),
  eight = list(c(61.1, 62.6, 60.0, 63.1, 59.2, 61.7, 60.4, 64.4), c(60.8, 60.4, 59.9, 61.2, 60.3, 60.7, 60.6, 61.9)),
  wide = list(c(10.0, 90.5, 33.1, 71.9), c(30.2, 15.7, 41.0, 99.9)))

one_test <- function(a, b, paired) {
  p <- function(alternative, mu) t.test(a, b, paired = paired, alternative = alternative, mu = mu)$p.value
  obj(
    greater = arr(sapply(shifts, function(s) p("greater", s))),
    less = arr(sapply(shifts, function(s) p("less", s))),
    differs = num(p("two.sided", 0)),
    equivalent = num(max(p("greater", -margin), p("less", margin))),
    low = arr(sapply(alphas, function(l) t.test(a, b, paired = paired, alternative = "greater", conf.level = 1 - l)$conf.int[1])),
    high = arr(sapply(alphas, function(l) t.test(a, b, paired = paired, alternative = "less", conf.level = 1 - l)$conf.int[2])))
}

t_tests <- lst(sapply(names(samples), function(name) {
  a <- samples[[name]][[1]]
  b <- samples[[name]][[2]]
  obj(name = sprintf("\"%s\"", name), first = arr(a), second = arr(b), correlation = num(cor(a, b)),
      paired = one_test(a, b, TRUE), welch = one_test(a, b, FALSE))
}))

# --- sign flips: every flip is written out, every subset's mean taken ---------

differences <- list(
  c(1.1, 0.8, 0.9),
  c(0.5, -0.2, 1.3, 0.9, 2.2),
  c(0.5, 0.5, 1.0, 0.0, 2.0, -0.5),
  c(2.1, 1.7, 2.6, 1.2, 3.3, 0.7, 2.9, 1.9),
  c(-0.3, 0.8, 4.1, -1.9, 0.2, 0.9, 1.1, -0.6, 0.4, 0.3, 5.7))

flip_p <- function(d, mu, greater) {
  signs <- as.matrix(expand.grid(rep(list(c(-1, 1)), length(d))))
  flipped <- signs %*% (d - mu) / length(d)
  seen <- mean(d - mu)
  if (greater) mean(flipped >= seen - 1e-9) else mean(flipped <= seen + 1e-9)
}

subset_means <- function(d) {
  n <- length(d)
  sort(unlist(lapply(1:n, function(k) combn(n, k, function(i) mean(d[i])))))
}

sign_flips <- lst(sapply(differences, function(d) {
  usable <- alphas[alphas >= 0.5^length(d)]
  k <- floor(usable * 2^length(d))
  m <- subset_means(d)
  obj(d = arr(d),
      greater = arr(sapply(shifts, function(s) flip_p(d, s, TRUE))),
      less = arr(sapply(shifts, function(s) flip_p(d, s, FALSE))),
      equivalent = num(max(flip_p(d, -margin, TRUE), flip_p(d, margin, FALSE))),
      levels = arr(usable), low = arr(m[k]), high = arr(rev(m)[k]))
}))

# --- counts --------------------------------------------------------------------

tables <- list(c(3, 3, 0, 3), c(5, 5, 0, 5), c(2, 5, 4, 5), c(0, 4, 0, 6), c(7, 7, 1, 9), c(10, 40, 3, 35), c(1, 10, 11, 12), c(4, 8, 4, 8))
fisher <- lst(sapply(tables, function(x) {
  obj(table = arr(x), two = num(fisher.test(matrix(c(x[1], x[2] - x[1], x[3], x[4] - x[3]), 2))$p.value))
}))

counts <- list(c(0, 3), c(3, 3), c(1, 2), c(2, 5), c(9, 10), c(50, 200))
shares <- lst(sapply(counts, function(x) {
  ends <- sapply(alphas, function(l) binom.test(x[1], x[2], conf.level = 1 - l)$conf.int)
  obj(count = arr(x), low = arr(ends[1, ]), high = arr(ends[2, ]))
}))

# --- Holm -----------------------------------------------------------------------

families <- list(c(0.01, 0.04, 0.03, 0.005), c(0.5, 0.5, 0.001), 0.03, c(0.012, 0.013, 0.02, 0.9, 0.0004, 0.02, 1))
holm <- lst(sapply(families, function(p) obj(p = arr(p), adjusted = arr(p.adjust(p, "holm")))))

# --- power -----------------------------------------------------------------------

# One-sided power of n seeds at an effect in standard deviations; strict or not
# is the same for one side.
effects <- expand.grid(n = c(2, 3, 5, 10, 40), effect = c(0.2, 0.5, 1, 2, 4), level = c(0.05, 0.0125))
power_greater <- lst(mapply(function(n, effect, level) {
  paired <- power.t.test(n, effect, 1, level, type = "paired", alternative = "one.sided")$power
  two <- power.t.test(n, effect, 1, level, type = "two.sample", alternative = "one.sided")$power
  obj(n = num(n), effect = num(effect), level = num(level), paired = num(paired), two = num(two))
}, effects$n, effects$effect, effects$level))

seeds_greater <- lst(mapply(function(effect, level) {
  n <- function(type) ceiling(power.t.test(NULL, effect, 1, level, 0.8, type = type, alternative = "one.sided")$n)
  obj(effect = num(effect), level = num(level), paired = num(n("paired")), two = num(n("two.sample")))
}, rep(c(0.15, 0.3, 0.5, 0.75, 1, 1.5, 2), 2), rep(c(0.05, 0.025), each = 7)))

# Equivalence: the two noncentral t variables are correlated, so their joint
# probability is written as an integral over the chi-squared of the spread.
power_tost <- function(n, mean, margin, level) {
  df <- n - 1
  t <- qt(1 - level, df)
  given <- function(chi2) {
    reach <- t * sqrt(chi2 / df)
    pmax(0, pnorm((margin - mean) * sqrt(n) - reach) - pnorm((-margin - mean) * sqrt(n) + reach)) * dchisq(chi2, df)
  }
  end <- df * n * (margin / t)^2 # beyond it no interval is short enough
  cuts <- unique(pmin(end, c(0, 1e-3, 0.1, 1, df / 2, df, 2 * df, 4 * df + 50, 8 * df + 200)))
  sum(mapply(function(a, b) integrate(given, a, b, rel.tol = 1e-10, abs.tol = 1e-13)$value, head(cuts, -1), cuts[-1]))
}
designs <- expand.grid(n = c(2, 3, 5, 10, 40), mean = c(0, 0.3, -0.9), margin = c(1, 3), level = c(0.05, 0.0125))
power_equivalent <- lst(mapply(function(n, mean, margin, level) {
  obj(n = num(n), mean = num(mean), margin = num(margin), level = num(level), power = num(power_tost(n, mean, margin, level)))
}, designs$n, designs$mean, designs$margin, designs$level))

cat(obj(levels = arr(alphas), shifts = arr(shifts), margin = num(margin), tests = t_tests, flips = sign_flips, fisher = fisher,
        shares = shares, holm = holm, greater = power_greater, seeds = seeds_greater, equivalent = power_equivalent), "\n", sep = "")
