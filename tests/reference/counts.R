# Reference numbers for counts. R 4.2, MASS 7.3-58.2, pscl 1.5.5, clubSandwich 0.5.8, numDeriv.
# From the repository's root:
#   .venv/bin/python tests/reference/export_data.py /tmp/real MASS/quine pscl/bioChemists \
#     AER/RecreationDemand AER/NMES1988 AER/Affairs AER/DoctorVisits AER/Medicaid1986 \
#     AER/Fatalities AER/ShipAccidents COUNT/medpar COUNT/azpro MASS/epil lme4/grouseticks
#   Rscript tests/reference/counts.R /tmp/real tests/reference/counts.csv
suppressMessages({library(MASS); library(pscl); library(clubSandwich); library(numDeriv)})
args <- commandArgs(TRUE)
out <- list()
real <- function(name) read.csv(file.path(args[1], paste0(name, ".csv")))
yes <- function(x, value) as.numeric(x == value)
add <- function(dataset, family, part, statistic, term, value)
  out[[length(out) + 1]] <<- data.frame(dataset, family, part, statistic, term,
                                        value = sprintf("%.15g", as.numeric(value)))
label <- function(names) ifelse(names == "(Intercept)", "intercept", names)

one_part <- function(name, family, part, table) {
  add(name, family, part, "estimate", label(rownames(table)), table[, 1])
  add(name, family, part, "std_error", label(rownames(table)), table[, 2])
}
# prob: expected numbers of rows with 0, 1, 2, 3, 4, 5
whole <- function(name, family, fit, prob) {
  add(name, family, "", "llf", "", logLik(fit))
  add(name, family, "", "aic", "", AIC(fit))
  add(name, family, "", "bic", "", AIC(fit, k = log(length(fitted(fit)))))
  add(name, family, "", "expected", 0:5, prob)
}
counted <- function(density) sapply(0:5, function(count) sum(density(count)))
poisson_fit <- function(name, d, formula, group) {
  fit <- glm(formula, poisson, d, control = glm.control(epsilon = 1e-14, maxit = 100))
  one_part(name, "poisson", "count", coef(summary(fit)))
  whole(name, "poisson", fit, counted(function(count) dpois(count, fitted(fit))))
  if (is.null(group)) return()
  robust <- coef_test(fit, vcov = "CR2", cluster = d[[group]], test = "Satterthwaite")
  terms <- label(names(coef(fit)))
  add(name, "poisson", "count", "cr2_std_error", terms, robust$SE)
  add(name, "poisson", "count", "cr2_df", terms, robust$df_Satt)
  add(name, "poisson", "count", "cr2_p_value", terms, robust$p_Satt)
}
negbin_fit <- function(name, d, formula) {
  fit <- glm.nb(formula, d, control = glm.control(epsilon = 1e-14, maxit = 200))
  one_part(name, "negbin", "count", coef(summary(fit)))
  add(name, "negbin", "", "theta", "", fit$theta)
  whole(name, "negbin", fit,
        counted(function(count) dnbinom(count, size = fit$theta, mu = fitted(fit))))
}
# pscl's own errors rest on optim's Hessian, whose difference step of 1e-3 leaves 3 to 6 digits
# (std_error_pscl). Beside them: Richardson's Hessian of R's dnbinom at pscl's estimates, taken on
# centred predictors of SD 1, where it is exact to about 8 digits, and brought back.
back_to_units <- function(X) {
  back <- diag(ncol(X))
  spread <- apply(X[, -1, drop = FALSE], 2, sd)
  diag(back)[-1] <- 1 / spread
  back[1, -1] <- -colMeans(X[, -1, drop = FALSE]) / spread
  back
}
exact <- function(loglik, at, X, y, offset) {
  k <- ncol(X)
  back <- diag(2 * k + 1)
  back[1:k, 1:k] <- back[k + 1 + 1:k, k + 1 + 1:k] <- back_to_units(X)
  f <- loglik(y, X %*% back_to_units(X), offset)
  top <- solve(back, at)
  # numDeriv's steps are a tenth of the arguments: arguments of 1 give the same step everywhere.
  bend <- hessian(function(q) f(top + q - 1), rep(1, length(top)), method.args = list(r = 6))
  sqrt(diag(back %*% solve(-bend) %*% t(back)))
}
hurdle_loglik <- function(y, X, offset) {
  k <- ncol(X); up <- y > 0
  function(p) {
    mu <- exp(drop(X %*% p[1:k]) + offset); size <- exp(p[k + 1])
    any <- drop(X %*% p[k + 1 + 1:k])
    sum(dnbinom(y[up], size = size, mu = mu[up], log = TRUE) -
        pnbinom(0, size = size, mu = mu[up], lower.tail = FALSE, log.p = TRUE)) +
      sum(plogis(ifelse(up, any, -any), log.p = TRUE))
  }
}
zinb_loglik <- function(y, X, offset) {
  k <- ncol(X)
  function(p) {
    mu <- exp(drop(X %*% p[1:k]) + offset); size <- exp(p[k + 1])
    share <- plogis(drop(X %*% p[k + 1 + 1:k]))
    sum(log(ifelse(y == 0, share, 0) + (1 - share) * dnbinom(y, size = size, mu = mu)))
  }
}
two_part <- function(name, family, fit, zero, d) {
  tables <- coef(summary(fit))
  k <- length(fit$coefficients$count)
  X <- model.matrix(fit, model = "count")
  loglik <- if (family == "hurdle") hurdle_loglik else zinb_loglik
  at <- c(fit$coefficients$count, log(fit$theta), fit$coefficients$zero)
  stopifnot(abs(loglik(fit$y, X, d$log_time)(at) - logLik(fit)) < 1e-8 * abs(logLik(fit)))
  error <- exact(loglik, at, X, fit$y, d$log_time)
  for (part in c("count", zero)) {
    table <- if (part == "count") tables$count[seq_len(k), ] else tables$zero
    terms <- label(rownames(table))
    add(name, family, part, "estimate", terms, table[, 1])
    add(name, family, part, "std_error_pscl", terms, table[, 2])
    add(name, family, part, "std_error", terms, error[seq_len(k) + (part != "count") * (k + 1)])
  }
  add(name, family, "", "theta", "", fit$theta)
  whole(name, family, fit, colSums(predict(fit, type = "prob"))[1:6])
}
tight <- list(reltol = 1e-15, maxit = 1e5)
fit_all <- function(name, d, formula, families, group = NULL, exposure = NULL, begin = NULL) {
  message(name)
  one <- formula
  if (!is.null(exposure)) one <- update(formula, paste0(". ~ . + offset(log(", exposure, "))"))
  d$log_time <- if (is.null(exposure)) rep(0, nrow(d)) else log(d[[exposure]])
  poisson_fit(name, d, one, group)
  if ("negbin" %in% families) negbin_fit(name, d, one)
  if ("hurdle" %in% families)
    two_part(name, "hurdle", do.call(hurdle, list(formula, d, offset = d$log_time, dist = "negbin",
      control = do.call(hurdle.control, tight))), "any", d)
  if ("zinb" %in% families)
    two_part(name, "zinb", do.call(zeroinfl, list(formula, d, offset = d$log_time, dist = "negbin",
      control = do.call(zeroinfl.control, c(tight, list(start = begin))))), "excess_zero", d)
}

d <- transform(real("MASS.quine"), eth = yes(Eth, "N"), sex = yes(Sex, "M"), slow = yes(Lrn, "SL"),
               f1 = yes(Age, "F1"), f2 = yes(Age, "F2"), f3 = yes(Age, "F3"))
fit_all("quine", d, Days ~ eth + sex + slow + f1 + f2 + f3, c("negbin", "hurdle"))
d <- transform(real("pscl.bioChemists"), women = yes(fem, "Women"), married = yes(mar, "Married"))
all <- c("negbin", "hurdle", "zinb")
fit_all("bioChemists", d, art ~ women + married + kid5 + phd + ment, all)
d <- transform(real("AER.RecreationDemand"), ski = yes(ski, "yes"))
fit_all("RecreationDemand", d, trips ~ quality + ski + income + costC + costS + costH,
        c("negbin", "hurdle"))
d <- transform(real("AER.NMES1988"), poor = yes(health, "poor"), excellent = yes(health, "excellent"),
               male = yes(gender, "male"), insured = yes(insurance, "yes"))
fit_all("NMES1988", d, visits ~ hospital + poor + excellent + chronic + male + school + insured, all)
d <- real("AER.Affairs")
fit_all("Affairs", d, affairs ~ age + yearsmarried + religiousness + occupation + rating, all)
d <- transform(real("AER.DoctorVisits"), female = yes(gender, "female"))
formula <- visits ~ female + age + income + illness + reduced + health
# pscl's own start ends on a lower hill here (-3196.0); Poisson and logit coefficients do not.
fit_all("DoctorVisits", d, formula, all, begin = list(
  count = coef(glm(formula, poisson, d)),
  zero = coef(glm(update(formula, (visits == 0) ~ .), binomial, d)), theta = 1))
d <- transform(real("AER.Medicaid1986"), ssi = yes(program, "ssi"))
fit_all("Medicaid1986", d, visits ~ children + age + income + health1 + access + ssi, all,
        exposure = "exposure")
d <- real("AER.Fatalities")
fit_all("Fatalities", d, fatal ~ beertax + unemp + spirits + drinkage, "negbin", "state", "pop")
d <- subset(real("AER.ShipAccidents"), service > 0)
d <- transform(d, late = yes(operation, "1975-79"), b = yes(type, "B"), e = yes(type, "E"))
fit_all("ShipAccidents", d, incidents ~ late + b + e, "negbin", exposure = "service")
fit_all("medpar", real("COUNT.medpar"), los ~ hmo + white + type2 + type3, "negbin", "provnum")
fit_all("azpro", real("COUNT.azpro"), los ~ procedure + sex + age75 + admit, "negbin")
d <- transform(real("MASS.epil"), treated = yes(trt, "progabide"))
fit_all("epil", d, y ~ lbase + treated + lage + V4, c("negbin", "hurdle"), "subject")
d <- transform(real("lme4.grouseticks"), year96 = yes(YEAR, 96), year97 = yes(YEAR, 97))
fit_all("grouseticks", d, TICKS ~ cHEIGHT + year96 + year97, c("negbin", "hurdle"), "BROOD")

write.csv(do.call(rbind, out), args[2], row.names = FALSE, quote = FALSE)
