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

write.csv(do.call(rbind, out), args[2], row.names = FALSE, quote = FALSE)
