# Reference numbers for reliability. R 4.2, psych 2.2.9 with GPArotation. From the repository's root:
#   .venv/bin/python tests/reference/export_data.py /tmp/real psych/bfi datasets/attitude psych/lsat6 \
#     heplots/MockJury sem/CNES
#   Rscript tests/reference/reliability.R /tmp/real tests/reference/reliability.csv
suppressMessages(library(psych))
args <- commandArgs(TRUE)
out <- list()
add <- function(dataset, statistic, term, value)
  out[[length(out) + 1]] <<- data.frame(dataset, statistic, term, value = sprintf("%.15g", value))
real <- function(name) read.csv(file.path(args[1], paste0(name, ".csv")))

scale_numbers <- function(name, d, signs, omega_too = TRUE) {
  invisible(capture.output(suppressWarnings(suppressMessages({
    a <- alpha(d, keys = signs, warnings = FALSE)
    ci <- alpha.ci(a$total$raw_alpha, n.obs = nrow(d), n.var = ncol(d), digits = 15)
    turned <- sweep(d, 2, signs, "*")
    o <- omega(turned, nfactors = 1, flip = FALSE, plot = FALSE)
  }))))
  add(name, "alpha", "", a$total$raw_alpha)
  add(name, "alpha_low", "", ci$lower.ci)
  add(name, "alpha_high", "", ci$upper.ci)
  add(name, "omega_total", "", o$omega.tot)
  for (i in seq_len(ncol(d))) add(name, "item_rest_r", names(d)[i], a$item.stats$r.drop[i])
}

bfi <- real("psych.bfi")
signs <- list(A = c(-1, 1, 1, 1, 1), C = c(1, 1, 1, -1, -1), E = c(-1, -1, 1, 1, 1),
              N = c(1, 1, 1, 1, 1), O = c(1, -1, 1, 1, -1))
for (s in names(signs)) scale_numbers(paste0("bfi_", s), bfi[paste0(s, 1:5)], signs[[s]])
scale_numbers("bfi_A_complete", na.omit(bfi[paste0("A", 1:5)]), signs$A)
# Respondents of one age left out in turn, on the scale of log(1 - alpha).
own <- bfi[complete.cases(bfi[c(paste0("A", 1:5), "age")]), ]; a5 <- sweep(own[paste0("A", 1:5)], 2, signs$A, "*")
log_rest <- function(d) log(1 - suppressWarnings(alpha(d, warnings = FALSE)$total$raw_alpha))
left <- sapply(unique(own$age), function(g) log_rest(a5[own$age != g, ])); G <- length(left)
reach <- qt(.975, G - 1) * sqrt((G - 1) / G * sum((left - mean(left))^2))
add("bfi_A_complete", "by_age", "alpha_low", 1 - exp(log_rest(a5) + reach))
add("bfi_A_complete", "by_age", "alpha_high", 1 - exp(log_rest(a5) - reach))
scale_numbers("attitude", real("datasets.attitude"), rep(1, 7))
scale_numbers("lsat6", real("psych.lsat6"), rep(1, 5))
traits <- c("exciting", "calm", "independent", "sincere", "warm", "phyattr", "sociable", "kind",
            "intelligent", "strong", "sophisticated", "happy")
scale_numbers("MockJury", real("heplots.MockJury")[traits], rep(1, 12))
agree <- c("StronglyDisagree", "Disagree", "Agree", "StronglyAgree")
cnes <- as.data.frame(lapply(real("sem.CNES"), function(x) as.numeric(factor(x, levels = agree))))
scale_numbers("CNES", cnes, c(1, 1, -1, 1))
scale_numbers("CNES_unreversed", cnes, c(1, 1, 1, 1))
write.csv(do.call(rbind, out), args[2], row.names = FALSE, quote = FALSE)
