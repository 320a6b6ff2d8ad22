# Reference numbers for the cross-lagged model with random intercepts, and for the difference of its
# two paths (does x come before y more than y before x), each measure in standard deviations within
# people. R 4.2, lavaan 0.6-14. From the repository's root, with person, time, y, x as csv in
# /tmp/real (tests/models/test_sessions.py says of what):
#   Rscript tests/reference/sessions.R /tmp/real tests/reference/sessions.csv
suppressMessages(library(lavaan))
args <- commandArgs(TRUE)
out <- list()
add <- function(dataset, statistic, value)
  out[[length(out) + 1]] <<- data.frame(dataset, statistic, value = sprintf("%.15g", value))
within_sd <- function(v, person) sqrt(sum(residuals(lm(v ~ factor(person)))^2) / (length(v) - length(unique(person))))
model_of <- function(T, vy, vx, ratio) {
  s <- function(value) sprintf("start(%g)*", value)  # lavaan finds no solution from its own starts
  y <- paste0("y", 1:T); x <- paste0("x", 1:T); p <- paste0("p", 1:T); q <- paste0("q", 1:T)
  lines <- c(paste("iy =~", paste0("1*", y, collapse = " + ")),
             paste("ix =~", paste0("1*", x, collapse = " + ")),
             paste0(p, " =~ 1*", y), paste0(q, " =~ 1*", x),
             paste0(y, " ~~ 0*", y), paste0(x, " ~~ 0*", x),
             paste0("iy ~~ vy*iy + ", s(vy / 2), "iy"), paste0("ix ~~ vx*ix + ", s(vx / 2), "ix"),
             paste0("iy ~~ cxy*ix + ", s(0), "ix"), paste0("p1 ~~ f1*p1 + ", s(vy / 2), "p1"),
             paste0("q1 ~~ f2*q1 + ", s(vx / 2), "q1"), paste0("p1 ~~ f12*q1 + ", s(0), "q1"),
             paste0(y, " ~ 1"), paste0(x, " ~ 1"))
  for (t in 2:T) lines <- c(lines,
    
    sprintf("p%d ~ a*p%d + start(0.3)*p%d + b*q%d", t, t - 1, t - 1, t - 1),
    sprintf("q%d ~ c*p%d + d*q%d + start(0.3)*q%d", t, t - 1, t - 1, t - 1),
    sprintf("p%d ~~ n1*p%d + start(%g)*p%d", t, t, vy / 3, t),
    sprintf("q%d ~~ n2*q%d + start(%g)*q%d", t, t, vx / 3, t), sprintf("p%d ~~ n12*q%d", t, t))
  lines <- c(lines, "iy ~~ 0*p1 + 0*q1", "ix ~~ 0*p1 + 0*q1", sprintf("difference := b*%.15g - c/%.15g", ratio, ratio))
  paste(lines, collapse = "\n")
}
for (name in c("PSID7682", "wagepan", if (file.exists(file.path(args[1], "gad.csv"))) c("gad5", "gad"))) {
  d <- read.csv(file.path(args[1], paste0(name, ".csv")))
  d$time <- d$time - min(d$time) + 1; T <- max(d$time)
  w <- reshape(d, idvar = "person", timevar = "time", direction = "wide", sep = "")
  full <- d[complete.cases(d), ]; ratio <- within_sd(full$x, full$person) / within_sd(full$y, full$person)
  fit <- lavaan(model_of(T, var(d$y, na.rm = TRUE), var(d$x, na.rm = TRUE), ratio), w, missing = "fiml", fixed.x = FALSE, meanstructure = TRUE,
                information = "observed", baseline = FALSE, h1 = FALSE, check.gradient = FALSE, control = list(rel.tol = 1e-14, x.tol = 1e-12, iter.max = 5000))
  e <- parameterEstimates(fit)
  for (label in c("a", "b", "c", "d", "vy", "vx", "cxy", "f1", "f2", "n1", "n2")) {
    row <- e[e$label == label, ][1, ]
    add(name, label, row$est)
    if (label %in% c("a", "b", "c", "d")) add(name, paste0(label, "_se"), row$se)
  }
  add(name, "llf", as.numeric(logLik(fit)))
  row <- e[e$lhs == "difference", ]
  add(name, "difference", row$est); add(name, "difference_se", row$se)
}
# Few people: two regressions with a constant for each person (lm), the people left out one at a time.
before <- function(d, name) d[[name]][match(paste(d$person, d$time - 1), paste(d$person, d$time))]
difference <- function(d) {
  paths <- coef(lm(y ~ lx + ly + time + factor(person), d))["lx"] - coef(lm(x ~ ly + lx + time + factor(person), d))["ly"]
  unname(paths)
}
for (name in c("Grunfeld", "Produc")) {
  d <- read.csv(file.path(args[1], paste0(name, ".csv")))
  for (v in c("y", "x")) d[[v]] <- d[[v]] / within_sd(d[[v]], d$person)
  d$ly <- before(d, "y"); d$lx <- before(d, "x")
  without <- sapply(unique(d$person), function(one) difference(d[d$person != one, ])); J <- length(without)
  add(name, "difference", difference(d))
  add(name, "difference_se", sqrt((J - 1) / J * sum((without - mean(without))^2)))
}
write.csv(do.call(rbind, out), args[2], row.names = FALSE, quote = FALSE)
