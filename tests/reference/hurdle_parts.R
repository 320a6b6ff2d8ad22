# Hurdles whose count part goes to the log-series (theta to 0) while their logit is well determined.
# R 4.2, pscl 1.5.5. From the repository's root:
#   .venv/bin/python tests/reference/export_data.py /tmp/real COUNT/rwm5yr COUNT/rwm1984 AER/NMES1988
#   Rscript tests/reference/hurdle_parts.R /tmp/real tests/reference/hurdle_parts.csv
suppressMessages(library(pscl))
args <- commandArgs(TRUE)
out <- list()
add <- function(dataset, statistic, term, value)
  out[[length(out) + 1]] <<- data.frame(dataset, statistic, term, value = sprintf("%.15g", value))
label <- function(names) ifelse(names == "(Intercept)", "intercept", names)
both <- function(name, d, formula) {
  y <- model.response(model.frame(formula, d)); X <- model.matrix(formula, d)
  logit <- glm(update(formula, I(y > 0) ~ .), binomial, cbind(d, y = y),
               control = glm.control(epsilon = 1e-14))
  table <- coef(summary(logit))
  add(name, "estimate", label(rownames(table)), table[, 1])
  add(name, "std_error", label(rownames(table)), table[, 2])
  fit <- suppressWarnings(hurdle(formula, d, dist = "negbin",
                                 control = hurdle.control(reltol = 1e-15, maxit = 1e5)))
  add(name, "pscl", "", as.numeric(logLik(fit)))
  # The limit itself: p(y) = p^y / (-y log(1 - p)), p = plogis(eta), from pscl's slopes.
  up <- y > 0; Z <- scale(X[up, -1, drop = FALSE]); Z <- cbind(1, Z)
  minus <- function(b) {
    eta <- drop(Z %*% b)
    -sum(y[up] * plogis(eta, log.p = TRUE) - log(y[up]) - log(log1p(exp(eta))))
  }
  best <- nlm(minus, rep(0, ncol(Z)), gradtol = 1e-10, iterlim = 1000)
  add(name, "limit", "", -best$minimum + as.numeric(logLik(logit)))
}
real <- function(name) read.csv(file.path(args[1], paste0(name, ".csv")))
both("rwm5yr", subset(real("COUNT.rwm5yr"), id < 1500), hospvis ~ age + female)
both("rwm5yr_outwork", subset(real("COUNT.rwm5yr"), id < 1500), hospvis ~ age + outwork + female)
both("rwm1984", real("COUNT.rwm1984"), hospvis ~ age + female + outwork)
both("NMES1988", real("AER.NMES1988"), nvisits ~ chronic + school)
write.csv(do.call(rbind, out), args[2], row.names = FALSE, quote = FALSE)
