# Reference degrees of freedom and tests of random-intercept models. R 4.2, lme4 1.1-31,
# lmerTest 3.1-3, pbkrtest 0.5.2. From the repository's root:
#   .venv/bin/python tests/reference/export_data.py /tmp/real $(tail -n +2 \
#     tests/reference/mixed_models.tsv | awk -F'\t' '{print $2 "/" $1}')
#   Rscript tests/reference/mixed_df.R /tmp/real tests/reference/mixed_df.csv
suppressMessages({library(lmerTest); library(pbkrtest)})
args <- commandArgs(TRUE)
models <- read.delim("tests/reference/mixed_models.tsv", colClasses = "character")
out <- list()
add <- function(dataset, statistic, term, value)
  out[[length(out) + 1]] <<- data.frame(dataset, statistic, term, value = sprintf("%.15g", value))
for (i in seq_len(nrow(models))) {
  m <- models[i, ]
  d <- read.csv(file.path(args[1], paste0(m$package, ".", m$dataset, ".csv")), na.strings = c("", "NA"))
  terms <- strsplit(m$terms, " ")[[1]]; block <- strsplit(m$block, " ")[[1]]
  own <- data.frame(y = as.numeric(d[[m$outcome]]), group = factor(d[[m$group]]))
  for (j in seq_along(terms)) {
    part <- strsplit(terms[j], "=")[[1]]
    own[[paste0("x", j)]] <- if (length(part) == 1) as.numeric(d[[part]]) else
      as.numeric(as.character(d[[part[1]]]) == part[2])
  }
  own <- own[complete.cases(own), ]
  right <- paste(c("1", paste0("x", seq_along(terms), recycle0 = TRUE), "(1 | group)"), collapse = " + ")
  fit <- lmerTest::lmer(as.formula(paste("y ~", right)), own,
                        control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10)))
  names <- c("intercept", terms)
  for (j in seq_along(names)) {
    L <- as.numeric(seq_along(names) == j)
    satterthwaite <- contest1D(fit, L); roger <- contest1D(fit, L, ddf = "Kenward-Roger")
    add(m$dataset, "satterthwaite_df", names[j], satterthwaite$df)
    add(m$dataset, "satterthwaite_p_value", names[j], satterthwaite[["Pr(>|t|)"]])
    add(m$dataset, "kenward_roger_std_error", names[j], roger[["Std. Error"]])
    add(m$dataset, "kenward_roger_df", names[j], roger$df)
  }
  if (length(block) > 1) {
    L <- diag(length(names))[match(block, names), , drop = FALSE]
    joint <- contestMD(fit, L); roger <- contestMD(fit, L, ddf = "Kenward-Roger")
    add(m$dataset, "satterthwaite_df2", "block", joint$DenDF)
    add(m$dataset, "satterthwaite_p_value", "block", joint[["Pr(>F)"]])
    add(m$dataset, "kenward_roger_f", "block", roger[["F value"]])
    add(m$dataset, "kenward_roger_df2", "block", roger$DenDF)
    add(m$dataset, "kenward_roger_p_value", "block", roger[["Pr(>F)"]])
  }
}

# Correlation of two variables between groups: the ends where twice the restricted log-likelihood,
# by matrices, has fallen by the square of t on the groups less one.
profile <- function(name, d, x, y, group) {
  d <- d[complete.cases(d[c(x, y, group)]), ]
  d[c(x, y)] <- scale(d[c(x, y)])
  groups <- split(d, d[[group]]); J <- length(groups)
  cov2 <- function(sd, r) diag(sd) %*% matrix(c(1, r, r, 1), 2) %*% diag(sd)
  deviance <- function(p, r) {
    between <- cov2(exp(p[1:2]), r); within <- cov2(exp(p[3:4]), tanh(p[5]))
    total <- 0; XX <- matrix(0, 3, 3)
    for (g in groups) {
      n <- nrow(g)
      V <- kronecker(between, matrix(1, n, n)) + kronecker(within, diag(n))
      L <- tryCatch(chol(V), error = function(e) NULL)
      if (is.null(L)) return(1e10)
      W <- backsolve(L, cbind(kronecker(diag(2), rep(1, n)), c(g[[x]], g[[y]])), transpose = TRUE)
      total <- total + 2 * sum(log(diag(L))); XX <- XX + crossprod(W)
    }
    A <- XX[1:2, 1:2]
    if (rcond(A) < 1e-14) return(1e10)
    total + log(det(A)) + XX[3, 3] - sum(XX[1:2, 3] * solve(A, XX[1:2, 3]))
  }
  at <- c(-1, -1, -0.3, -0.3, 0)
  lowest <- function(r) {
    found <- optim(at, deviance, r = r, method = "BFGS", control = list(reltol = 1e-12, maxit = 500))
    at <<- found$par
    found$value
  }
  best <- optimize(lowest, c(-0.9, 0.9), tol = 1e-6)
  add(name, "between_r", "", best$minimum)
  reach <- qt(0.975, J - 1)^2
  for (end in c(-1, 1)) {
    over <- function(r) lowest(r) - best$objective - reach
    far <- end * 0.99999
    add(name, if (end < 0) "between_low" else "between_high", "",
        if (over(far) <= 0) end else uniroot(over, sort(c(far, best$minimum)), tol = 1e-7)$root)
  }
}
quakes <- read.csv(file.path(args[1], "nlme.Earthquake.csv"))
profile("Earthquake_pair", quakes, "distance", "accel", "Quake")
write.csv(do.call(rbind, out), args[2], row.names = FALSE, quote = FALSE)
