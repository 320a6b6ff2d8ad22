# Reference numbers for rubin, missing and chained. R 4.2, mice 3.15.0, mitml 0.4-4. From the
# repository's root:
#   .venv/bin/python tests/reference/export_data.py /tmp/real datasets/airquality mi/nlsyV mi/CHAIN \
#     HSAUR/BtheB psych/sat.act
#   Rscript tests/reference/missing.R /tmp/real tests/reference/missing.csv
# "fit" rows are what mice's completed tables gave, to be pooled; "pooled" and "block" rows are
# mice::pool and mice::D1 on them; "many" rows are pooled over 100 imputations of mice.
suppressMessages(library(mice))
args <- commandArgs(TRUE)
out <- list()
add <- function(dataset, statistic, i, term, value)
  out[[length(out) + 1]] <<- data.frame(dataset, statistic, i, term, value = sprintf("%.15g", value))
real <- function(name) read.csv(file.path(args[1], paste0(name, ".csv")))
label <- function(x) ifelse(x == "(Intercept)", "intercept", x)

# `expression` is an lm call, held unevaluated so that mice's own refitting finds its formula.
pooling <- function(name, imputed, expression, block) {
  fits <- eval(substitute(with(imputed, e), list(e = expression)))
  models <- fits$analyses
  for (i in seq_along(models)) {
    V <- vcov(models[[i]]); terms <- label(colnames(V))
    for (a in seq_along(terms)) {
      add(name, "fit_estimate", i, terms[a], coef(models[[i]])[a])
      for (b in seq_along(terms))
        add(name, "fit_vcov", i, paste(terms[a], terms[b], sep = "|"), V[a, b])
    }
  }
  s <- summary(pool(fits), conf.int = TRUE, type = "all")
  for (a in seq_len(nrow(s))) {
    term <- label(as.character(s$term[a]))
    v <- c(estimate = s$estimate[a], std_error = s$std.error[a], statistic = s$statistic[a],
           df = s$df[a], p_value = s$p.value[a], conf_low = s$`2.5 %`[a], conf_high = s$`97.5 %`[a],
           riv = s$riv[a], fmi = s$fmi[a])
    for (k in names(v)) add(name, paste0("pooled_", k), 0, term, v[k])
  }
  n <- nobs(models[[1]]); k <- length(coef(models[[1]]))
  add(name, "n", 0, "", n); add(name, "k", 0, "", k)
  chosen <- diag(k)[match(block, label(names(coef(models[[1]])))), , drop = FALSE]
  # mice::D1 hands fits to mitml::testModels, which tests constraints the same way.
  Q <- sapply(models, coef)[match(block, label(names(coef(models[[1]])))), , drop = FALSE]
  U <- sapply(models, function(m) chosen %*% vcov(m) %*% t(chosen), simplify = "array")
  U <- array(U, c(length(block), length(block), length(models)))
  for (complete in c("finite", "infinite")) {
    d <- mitml:::.D1(Qhat = Q, Uhat = U, df.com = if (complete == "finite") n - k)
    v <- c(f = d$F, df1 = d$k, df2 = d$v, riv = d$r,
           p_value = pf(d$F, d$k, d$v, lower.tail = FALSE))
    for (s in names(v)) add(name, paste0("block_", complete, "_", s), 0, paste(block, collapse = "|"), v[s])
  }
  invisible(fits)
}

air <- real("datasets.airquality")[1:4]
nlsy <- real("mi.nlsyV"); chain <- real("mi.CHAIN")
beat <- real("HSAUR.BtheB")[3:8]; beat$treatment <- as.numeric(beat$treatment == "BtheB")
fits <- pooling("airquality", mice(air, 5, seed = 1, printFlag = FALSE),
                quote(lm(Ozone ~ Solar.R + Wind + Temp)), c("Solar.R", "Wind"))
d <- D1(fits, with(mice(air, 5, seed = 1, printFlag = FALSE), lm(Ozone ~ Temp)))$result
for (k in 1:5) add("airquality", "mice_D1", 0, c("f", "df1", "df2", "p_value", "riv")[k], d[k])
pooling("nlsyV", mice(nlsy, 20, seed = 2, printFlag = FALSE),
        quote(lm(ppvtr.36 ~ first + b.marr + income + momage + momed)),
        c("first", "b.marr", "momage"))
pooling("CHAIN", mice(chain, 10, seed = 3, printFlag = FALSE),
        quote(lm(healthy ~ log_virus + age + income + mental + damage + treatment)),
        c("age", "damage"))
pooling("BtheB", mice(beat, 3, seed = 4, printFlag = FALSE), quote(lm(bdi.8m ~ bdi.pre + treatment)),
        c("bdi.pre"))

many <- function(name, d, expression) {
  imputed <- mice(d, 100, maxit = 10, seed = 1995, printFlag = FALSE)
  s <- summary(pool(eval(substitute(with(imputed, e), list(e = expression)))))
  for (a in seq_len(nrow(s))) {
    add(name, "many_estimate", 0, label(as.character(s$term[a])), s$estimate[a])
    add(name, "many_std_error", 0, label(as.character(s$term[a])), s$std.error[a])
  }
}
many("airquality", air, quote(lm(Ozone ~ Solar.R + Wind + Temp)))
many("nlsyV", nlsy, quote(lm(ppvtr.36 ~ first + b.marr + income + momage + momed)))
many("CHAIN", chain, quote(lm(healthy ~ log_virus + age + income + mental + damage + treatment)))
write.csv(do.call(rbind, out), args[2], row.names = FALSE, quote = FALSE)
