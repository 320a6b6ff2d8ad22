# Reference numbers for inference and power. R 4.2, BayesFactor 0.9.12-4.4, pwr 1.3-0. From the
# repository's root:
#   .venv/bin/python tests/reference/export_data.py /tmp/real datasets/attitude openintro/hsb2 \
#     psych/Tal_Or carData/Davis MASS/anorexia psych/sat.act
#   Rscript tests/reference/inference.R /tmp/real tests/reference/inference.csv
suppressMessages({library(BayesFactor); library(pwr)})
args <- commandArgs(TRUE)
out <- list()
add <- function(dataset, statistic, term, value)
  out[[length(out) + 1]] <<- data.frame(dataset, statistic, term, value = sprintf("%.15g", value))
all_of <- function(dataset, statistic, values)
  for (k in names(values)) add(dataset, statistic, k, values[[k]])
real <- function(name) read.csv(file.path(args[1], paste0(name, ".csv")))
attitude <- real("datasets.attitude"); hsb <- real("openintro.hsb2"); tal <- real("psych.Tal_Or")
davis <- real("carData.Davis"); anorexia <- real("MASS.anorexia"); sat <- real("psych.sat.act")

# Two one-sided t tests of a paired difference, by t.test itself.
tost <- function(name, x, y, bound) {
  d <- na.omit(x - y)
  lower <- t.test(d, mu = -bound, alternative = "greater")
  upper <- t.test(d, mu = bound, alternative = "less")
  ci <- t.test(d, conf.level = .90)$conf.int
  all_of(name, "equivalence", list(estimate = mean(d), std_error = sd(d) / sqrt(length(d)),
    df = length(d) - 1, bound = bound, p_value = max(lower$p.value, upper$p.value),
    conf_low = ci[1], conf_high = ci[2]))
}
tost("Davis_weight", davis$weight, davis$repwt, 2)
tost("Davis_height", davis$height, davis$repht, 2)
tost("anorexia", anorexia$Prewt, anorexia$Postwt, 3)

correlation <- function(name, x, y, bound = .2) {
  d <- na.omit(data.frame(x, y)); n <- nrow(d); r <- cor(d$x, d$y); se <- 1 / sqrt(n - 3)
  p <- max(pnorm((atanh(r) + atanh(bound)) / se, lower.tail = FALSE), pnorm((atanh(r) - atanh(bound)) / se))
  ci <- cor.test(d$x, d$y, conf.level = .90)$conf.int
  all_of(name, "equivalence_r", list(r = r, n = n, bound = bound, p_value = p, conf_low = ci[1],
                                     conf_high = ci[2]))
  for (kappa in c(1, 1 / 3, 1 / 2))
    add(name, "bayes_factor", sprintf("%.15g", kappa),
        extractBF(correlationBF(d$x, d$y, rscale = kappa))$bf)
}
correlation("attitude", attitude$rating, attitude$critical)
correlation("attitude_strong", attitude$rating, attitude$complaints)
correlation("hsb2", hsb$read, hsb$socst)
correlation("Tal_Or", tal$pmi, tal$age)
correlation("sat_act", sat$age, sat$ACT)
correlation("sat_act_none", sat$age, sat$SATV)
correlation("Davis", davis$weight, davis$repwt - davis$weight)

block <- function(name, small, large, bound) {
  a <- anova(small, large); n <- nobs(large); lambda <- n * bound / (1 - bound)
  all_of(name, "block", list(f = a$F[2], df1 = a$Df[2], df2 = a$Res.Df[2], n = n, bound = bound,
    p_value = pf(a$F[2], a$Df[2], a$Res.Df[2], lambda),
    critical = qf(.05, a$Df[2], a$Res.Df[2], lambda)))
}
block("attitude", lm(rating ~ complaints, attitude), lm(rating ~ ., attitude), .09)
block("hsb2", lm(science ~ read + math, hsb), lm(science ~ read + math + gender + schtyp + ses, hsb), .0625)
block("Tal_Or", lm(reaction ~ pmi, tal), lm(reaction ~ pmi + age + gender, tal), .09)
whole <- na.omit(sat)
block("sat_act", lm(SATV ~ 1, whole), lm(SATV ~ age + gender + education, whole), .02)

for (n in c(20, 57, 201, 1000)) {
  for (rho in c(.05, .15, .2, .25, .6))
    add(paste(n), "power", paste(rho), pwr.r.test(n, rho)$power)
  add(paste(n), "detectable", "0.8", pwr.r.test(n, power = .8)$r)
}
# Effect in standard errors that a t test finds with power .80 and .95, from pt's noncentral t.
for (df in c(5, 43, 199)) for (power in c(.8, .95)) {
  limit <- qt(.975, df)
  found <- uniroot(function(d) pt(limit, df, d, lower.tail = FALSE) + pt(-limit, df, d) - power,
                   c(0, 20), tol = 1e-13)$root
  add(paste(df), "effect", paste(power), found)
}
p <- summary(lm(rating ~ ., attitude))$coefficients[, 4]
for (method in c("holm", "BH")) for (i in seq_along(p)) {
  if (method == "holm") add("attitude", "p_value", names(p)[i], p[i])
  add("attitude", method, names(p)[i], p.adjust(p, method)[i])
}
write.csv(do.call(rbind, out), args[2], row.names = FALSE, quote = FALSE)
