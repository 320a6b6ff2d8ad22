# Reference numbers for concordance, agreement and informants. R 4.2, psych 2.2.9, epiR 2.0.57,
# clubSandwich 0.5.8, nlme 3.1-162. From the repository's root:
#   .venv/bin/python tests/reference/export_data.py /tmp/real carData/Davis mlmRev/Gcsemv \
#     openintro/textbooks HistData/GaltonFamilies boot/frets MASS/anorexia psych/Tal_Or \
#     openintro/hsb2 MASS/nlschools
#   Rscript tests/reference/agreement.R /tmp/real tests/reference/agreement.csv
# With acipair.csv (Acitelli's 148 couples, one row per partner) in that folder as well.
# Bonett & Wright (2000), Bland & Altman (1999), Zou (2007) and the jackknife are written out
# here because no package installed has them.
suppressMessages({library(psych); library(epiR); library(clubSandwich); library(nlme)})
args <- commandArgs(TRUE)
out <- list()
add <- function(dataset, statistic, term, value)
  out[[length(out) + 1]] <<- data.frame(dataset, statistic, term, value = sprintf("%.15g", value))
real <- function(name) read.csv(file.path(args[1], paste0(name, ".csv")))
row_of <- function(name, statistic, estimate, low, high, p = NULL) {
  add(name, statistic, "estimate", estimate)
  add(name, statistic, "conf_low", low)
  add(name, statistic, "conf_high", high)
  if (!is.null(p)) add(name, statistic, "p_value", p)
}

pair_numbers <- function(name, x, y) {
  d <- na.omit(data.frame(x, y)); n <- nrow(d); z <- qnorm(.975)
  r <- cor.test(d$x, d$y)
  row_of(name, "pearson_r", r$estimate, r$conf.int[1], r$conf.int[2], r$p.value)
  s <- cor.test(d$x, d$y, method = "spearman", exact = FALSE)
  se <- sqrt((1 + s$estimate^2 / 2) / (n - 3))
  row_of(name, "spearman_rho", s$estimate, tanh(atanh(s$estimate) - z * se),
         tanh(atanh(s$estimate) + z * se), s$p.value)
  icc <- ICC(d, lmer = FALSE)$results
  for (k in 2:3) row_of(name, c("", "icc_a1", "icc_c1")[k], icc$ICC[k], icc$`lower bound`[k],
                        icc$`upper bound`[k], icc$p[k])
  ccc <- epi.ccc(d$x, d$y)
  row_of(name, "ccc", ccc$rho.c$est, ccc$rho.c$lower, ccc$rho.c$upper)
  t <- t.test(d$x, d$y, paired = TRUE)
  row_of(name, "bias", t$estimate, t$conf.int[1], t$conf.int[2], t$p.value)
  se <- sd(d$x - d$y) * sqrt(1 / n + z^2 / (2 * (n - 1))); reach <- qt(.975, n - 1) * se
  row_of(name, "loa_low", ccc$sblalt$lower, ccc$sblalt$lower - reach, ccc$sblalt$lower + reach)
  row_of(name, "loa_high", ccc$sblalt$upper, ccc$sblalt$upper - reach, ccc$sblalt$upper + reach)
}

nested_numbers <- function(name, x, y, g) {
  d <- na.omit(data.frame(x, y, g)); d$difference <- d$x - d$y
  fit <- lm(difference ~ 1, d)
  V <- vcovCR(fit, d$g, "CR2")
  t <- coef_test(fit, V); ci <- conf_int(fit, V)
  row_of(paste0(name, "_nested"), "bias", ci$beta, ci$CI_L, ci$CI_U, t$p_Satt)
  all <- function(e) {
    # psych::ICC, which takes seconds on 1,500 pairs, agrees with this in pair_numbers.
    B <- 2 * var((e$x + e$y) / 2); E <- var(e$x - e$y) / 2; J <- nrow(e) * mean(e$x - e$y)^2 / 2
    icc <- c((B - E) / (B + E + 2 * (J - E) / nrow(e)), (B - E) / (B + E))
    ccc <- epi.ccc(e$x, e$y)
    c(atanh(c(cor(e$x, e$y), cor(e$x, e$y, method = "spearman"), icc, ccc$rho.c$est)),
      mean(e$x - e$y), log(sd(e$x - e$y)))
  }
  whole <- all(d); G <- length(unique(d$g))
  left <- sapply(unique(d$g), function(g) all(d[d$g != g, ]))
  se <- sqrt((G - 1) / G * rowSums((left - rowMeans(left))^2))
  low <- whole - qt(.975, G - 1) * se; high <- whole + qt(.975, G - 1) * se
  p <- 2 * pt(-abs(whole / se), G - 1)
  names <- c("pearson_r", "spearman_rho", "icc_a1", "icc_c1", "ccc")
  for (k in 1:5) row_of(paste0(name, "_nested"), names[k], tanh(whole[k]), tanh(low[k]), tanh(high[k]), p[k])
  # Zou (2013): limits from the intervals of the mean and of the spread.
  z <- qnorm(.975); b <- whole[6]; s <- exp(whole[7]); arm <- function(v) sqrt((b - low[6])^2 + (z * v)^2)
  less <- arm(s - exp(low[7])); more <- arm(exp(high[7]) - s)
  row_of(paste0(name, "_nested"), "loa_low", b - z * s, b - z * s - more, b - z * s + less)
  row_of(paste0(name, "_nested"), "loa_high", b + z * s, b + z * s - less, b + z * s + more)
}

davis <- real("carData.Davis"); gcse <- real("mlmRev.Gcsemv"); books <- real("openintro.textbooks")
galton <- real("HistData.GaltonFamilies"); frets <- real("boot.frets")
pair_numbers("Davis_weight", davis$weight, davis$repwt)
pair_numbers("Davis_height", davis$height, davis$repht)
pair_numbers("Gcsemv", gcse$written, gcse$course)
pair_numbers("textbooks", books$ucla_new, books$amaz_new)
pair_numbers("GaltonFamilies", galton$childHeight, galton$father)
pair_numbers("frets", frets$l1, frets$l2)
anorexia <- real("MASS.anorexia"); pair_numbers("anorexia", anorexia$Prewt, anorexia$Postwt)
sf <- matrix(c(9, 2, 5, 8, 6, 1, 3, 2, 8, 4, 6, 8, 7, 1, 2, 6, 10, 5, 6, 9, 6, 2, 4, 7), 6,
             byrow = TRUE)  # Shrout & Fleiss (1979), table 2
six <- ICC(sf, lmer = FALSE)$results
for (k in 1:6) add("ShroutFleiss", c("icc_11", "icc_a1", "icc_c1", "icc_1k", "icc_ak", "icc_ck")[k],
                   "estimate", six$ICC[k])
for (k in 2:4) pair_numbers(paste0("ShroutFleiss_1", k), sf[, 1], sf[, k])
nested_numbers("Gcsemv", gcse$written, gcse$course, gcse$school)
nested_numbers("textbooks", books$ucla_new, books$amaz_new, books$dept_abbr)

tidy <- function(name, terms, b, se, df) for (i in seq_along(terms)) {
  row_of(name, terms[i], b[i], b[i] - qt(.975, df[i]) * se[i], b[i] + qt(.975, df[i]) * se[i],
         2 * pt(-abs(b[i] / se[i]), df[i]))
  add(name, terms[i], "std_error", se[i]); add(name, terms[i], "df", df[i])
}
forces <- c("directional_bias", "truth_force", "bias_force")
truth_numbers <- function(name, judgment, truth, bias, g = NULL) {
  d <- na.omit(data.frame(judgment, truth, bias, g = if (is.null(g)) 1 else g))
  d$j <- d$judgment - mean(d$truth); d$t <- d$truth - mean(d$truth); d$b <- d$bias - mean(d$bias)
  fit <- lm(j ~ t + b, d)
  shift <- lm(judgment - truth ~ 1, d)   # the mean of the truth has an error of its own
  if (is.null(g)) tidy(name, forces, coef(fit), c(sqrt(vcov(shift)), sqrt(diag(vcov(fit)))[2:3]),
                       c(shift$df.residual, rep(fit$df.residual, 2)))
  else {
    t <- coef_test(fit, vcovCR(fit, d$g, "CR2")); s <- coef_test(shift, vcovCR(shift, d$g, "CR2"))
    tidy(name, forces, t$beta, c(s$SE, t$SE[2:3]), c(s$df_Satt, t$df_Satt[2:3]))
  }
}
truth_numbers("truth_Davis", davis$repwt, davis$weight, davis$height)
truth_numbers("truth_Gcsemv", gcse$course, gcse$written, as.numeric(gcse$gender == "F"))
truth_numbers("truth_Gcsemv_nested", gcse$course, gcse$written, as.numeric(gcse$gender == "F"),
              gcse$school)

surface_numbers <- function(name, outcome, x, y, midpoint, g = NULL) {
  d <- na.omit(data.frame(outcome, x = x - midpoint, y = y - midpoint, g = if (is.null(g)) 1 else g))
  fit <- lm(outcome ~ x + y + I(x^2) + I(x * y) + I(y^2), d)
  L <- rbind(diag(6), c(0, 1, 1, 0, 0, 0), c(0, 0, 0, 1, 1, 1), c(0, 1, -1, 0, 0, 0),
             c(0, 0, 0, 1, -1, 1))
  terms <- c(paste0("b", 0:5), paste0("a", 1:4))
  if (is.null(g)) tidy(name, terms, L %*% coef(fit), sqrt(diag(L %*% vcov(fit) %*% t(L))),
                       rep(fit$df.residual, 10))
  else { t <- linear_contrast(fit, vcovCR(fit, d$g, "CR2"), L); tidy(name, terms, t$Est, t$SE, t$df) }
}
tal <- real("psych.Tal_Or"); hsb <- real("openintro.hsb2")
surface_numbers("surface_Tal_Or", tal$reaction, tal$pmi, tal$import, 4)
surface_numbers("surface_hsb2", hsb$science, hsb$read, hsb$math, 50)
pupils <- real("MASS.nlschools")
surface_numbers("surface_nlschools_nested", pupils$SES, pupils$lang, pupils$IQ, 30, pupils$class)

# Two ratings stacked: both standardised over those given, one row each, a slope for each rater.
stacked_numbers <- function(name, first, second, X, g = NULL) {
  keep <- complete.cases(X) & !(is.na(first) & is.na(second))
  X <- as.data.frame(scale(X[keep, , drop = FALSE])); k <- names(X)
  y <- c(scale(first[keep]), scale(second[keep])); dyad <- rep(seq_len(nrow(X)), 2)
  long <- data.frame(y, rbind(X, X), second = rep(0:1, each = nrow(X)), dyad,
                     g = if (is.null(g)) dyad else rep(g[keep], 2))
  long <- na.omit(long); long$first <- 1 - long$second; long$side <- long$second - 0.5
  own <- lm(reformulate(c("side", paste0("first:", k), paste0("second:", k)), "y"), long)
  apart <- lm(reformulate(c("side", k, paste0("side:", k)), "y"), long)
  for (fit in list(own, apart)) {
    t <- coef_test(fit, vcovCR(fit, long$g, "CR2")); rows <- grep(":", rownames(t))
    terms <- gsub("side", "difference", sub("(.*):(first|second)", "\\2:\\1", rownames(t)[rows]))
    tidy(name, terms, t$beta[rows], t$SE[rows], t$df_Satt[rows])
  }
  if (is.null(g) && nrow(long) == 2 * nrow(X)) {   # the same differences from a model of both residuals, by REML
    twin <- gls(formula(apart), long, correlation = corSymm(form = ~ 1 | dyad),
                weights = varIdent(form = ~ 1 | second), control = glsControl(tolerance = 1e-10))
    for (x in k) add(name, "gls", x, coef(twin)[[paste0("side:", x)]])
  }
}
stacked_numbers("stacked_Davis", davis$weight, davis$repwt, davis[c("height", "repht")])
stacked_numbers("stacked_hsb2", hsb$read, hsb$math, hsb[c("science", "socst")])
stacked_numbers("stacked_Gcsemv", gcse$written, gcse$course, data.frame(girl = as.numeric(gcse$gender == "F")),
                gcse$school)
stacked_numbers("stacked_nlschools", pupils$lang, pupils$IQ, pupils[c("SES", "GS")], pupils$class)

couples <- read.csv(file.path(args[1], "acipair.csv")); couples <- couples[couples$Partnum == 1, ]
x <- couples$Satisfaction_A; y <- couples$Satisfaction_P; ccc <- epi.ccc(x, y)$rho.c
values <- c(n = length(x), mean_x = mean(x), mean_y = mean(y), sd_x = sd(x), sd_y = sd(y),
            r = cor(x, y), ccc = ccc$est, conf_low = ccc$lower, conf_high = ccc$upper)
for (k in names(values)) add("Acitelli", "moments", k, values[k])
write.csv(do.call(rbind, out), args[2], row.names = FALSE, quote = FALSE)
