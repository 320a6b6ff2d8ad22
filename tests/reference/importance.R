# Reference numbers for relative importance, cluster jackknife and Bayes factors of blocks. R 4.2.
# LMG as a loop over all orderings of the predictors (or groups of them), each step an lm().
# From the repository's root:
#   .venv/bin/python tests/reference/export_data.py /tmp/real datasets/swiss datasets/attitude \
#     MASS/UScrime MASS/Boston AER/TeachingRatings nlme/MathAchieve
#   Rscript tests/reference/importance.R /tmp/real tests/reference/importance.csv
suppressPackageStartupMessages(library(BayesFactor))
args <- commandArgs(TRUE)
out <- list()
add <- function(dataset, statistic, term, value)
  out[[length(out) + 1]] <<- data.frame(dataset, statistic, term, value = sprintf("%.15g", value))
real <- function(name) read.csv(file.path(args[1], paste0(name, ".csv")), stringsAsFactors = TRUE)

orderings <- function(x) if (length(x) <= 1) list(x) else
  do.call(c, lapply(seq_along(x), function(i) lapply(orderings(x[-i]), function(o) c(x[i], o))))
r2 <- function(d, y, terms)
  if (length(terms)) summary(lm(reformulate(terms, y), d))$r.squared else 0
lmg <- function(name, d, y, groups) {
  orders <- orderings(names(groups))
  total <- setNames(numeric(length(groups)), names(groups))
  known <- new.env()
  of <- function(units) {
    key <- paste(sort(units), collapse = "+")
    if (is.null(known[[key]])) assign(key, r2(d, y, unlist(groups[units])), known)
    known[[key]]
  }
  for (o in orders) for (i in seq_along(o))
    total[o[i]] <- total[o[i]] + (if (i > 1) of(o[1:i]) - of(o[1:(i - 1)]) else of(o[1]))
  for (g in names(groups)) add(name, "lmg", g, total[g] / length(orders))
  add(name, "r_squared", "", of(names(groups)))
}
each <- function(terms) setNames(as.list(terms), terms)

swiss <- real("datasets.swiss")
lmg("swiss", swiss, "Fertility", each(setdiff(names(swiss), "Fertility")))
attitude <- real("datasets.attitude")
lmg("attitude", attitude, "rating", each(setdiff(names(attitude), "rating")))
crime <- real("MASS.UScrime")
lmg("UScrime", crime, "y", each(c("M", "Ed", "Po1", "Po2", "U1", "U2", "Ineq", "Prob")))
boston <- real("MASS.Boston")
lmg("Boston_groups", boston, "medv", list(
  place = c("chas", "rad", "tax", "dis", "zn"), people = c("crim", "ptratio", "black", "lstat"),
  house = c("rm", "age"), air = c("nox", "indus")))

# Jackknife over groups of Fisher's z, and of the slopes of two predictors.
jack <- function(name, d, group, y, x, z) {
  ids <- unique(d[[group]])
  fisher <- function(d) atanh(cor(d[[y]], d[[x]]))
  slopes <- function(d) coef(lm(reformulate(c(x, z), y), d))[-1]
  each <- sapply(ids, function(g) fisher(d[d[[group]] != g, ]))
  J <- length(ids)
  add(name, "fisher_z", x, fisher(d))
  add(name, "fisher_z_variance", x, (J - 1) / J * sum((each - mean(each))^2))
  b <- t(sapply(ids, function(g) slopes(d[d[[group]] != g, ])))
  V <- (J - 1) / J * crossprod(scale(b, scale = FALSE))
  add(name, "slope_variance", x, V[1, 1]); add(name, "slope_variance", z, V[2, 2])
  add(name, "slope_covariance", "", V[1, 2])
}
jack("TeachingRatings", real("AER.TeachingRatings"), "prof", "eval", "beauty", "age")
jack("MathAchieve", real("nlme.MathAchieve"), "School", "MathAch", "SES", "MEANSES")

for (case in list(c(201, 6, .05), c(201, 4, .002), c(80, 3, .3), c(5000, 8, .01)))
  for (scale in c(sqrt(2) / 4, 1 / 2, 1))
    add("", "log_bf10", paste(case[1], case[2], case[3], sprintf("%.6f", scale)),
        linearReg.R2stat(case[1], case[2], case[3], rscale = scale)$bf)
write.csv(do.call(rbind, out), args[2], row.names = FALSE, quote = FALSE)
