# Reference numbers for cr2, sandwich, mixed and nesting. R 4.2, clubSandwich 0.5.8, lme4 1.1-31,
# nlme 3.1-162, psych 2.2.9. From the repository's root:
#   .venv/bin/python tests/reference/export_data.py /tmp/real lme4/sleepstudy AER/TeachingRatings \
#     nlme/Orthodont datasets/ChickWeight nlme/MathAchieve MASS/epil lme4/grouseticks MASS/nlschools
#   Rscript tests/reference/nesting.R /tmp/real tests/reference/nesting.csv
suppressMessages({library(clubSandwich); library(lme4); library(nlme); library(MASS); library(psych)})
args <- commandArgs(TRUE)
out <- list()
add <- function(dataset, statistic, term, value)
  out[[length(out) + 1]] <<- data.frame(dataset, statistic, term, value = sprintf("%.15g", value))
real <- function(name, own = NULL) {
  d <- read.csv(file.path(args[1], paste0(name, ".csv")), stringsAsFactors = TRUE)
  for (column in intersect(names(own), names(d)))
    if (is.numeric(own[[column]]) && !isTRUE(all.equal(as.numeric(own[[column]]), as.numeric(d[[column]]))))
      stop("R's own copy differs: ", name, " ", column)
  d
}
label <- function(names) ifelse(names == "(Intercept)", "intercept", names)

least_squares <- function(name, d, formula, group, block) {
  fit <- lm(formula, d)
  V <- vcovCR(fit, cluster = d[[group]], type = "CR2")
  table <- coef_test(fit, vcov = V, test = "Satterthwaite")
  terms <- label(names(coef(fit)))
  for (i in seq_along(terms)) {
    add(name, "ols_estimate", terms[i], table$beta[i])
    add(name, "cr2_std_error", terms[i], table$SE[i])
    add(name, "cr2_df", terms[i], table$df[i])
    add(name, "cr2_p_value", terms[i], table$p_Satt[i])
  }
  if (length(block) > 1) {
    w <- Wald_test(fit, constrain_zero(block, reg_ex = FALSE), vcov = V, test = "HTZ")
    add(name, "htz_f", "block", w$Fstat)
    add(name, "htz_df2", "block", w$df_denom)
    add(name, "htz_p_value", "block", w$p_val)
  }
}
counts <- function(name, fit, group, block) {
  V <- vcovCR(fit, cluster = group, type = "CR2")
  table <- coef_test(fit, vcov = V, test = "Satterthwaite")
  terms <- label(names(coef(fit)))
  for (i in seq_along(terms)) {
    add(name, "glm_std_error", terms[i], table$SE[i])
    add(name, "glm_df", terms[i], table$df[i])
  }
  w <- Wald_test(fit, constrain_zero(block, reg_ex = FALSE), vcov = V, test = "HTZ")
  add(name, "glm_htz_f", "block", w$Fstat)
  add(name, "glm_htz_df2", "block", w$df_denom)
}
intercepts <- function(name, d, formula, group) {
  fit <- lmer(update(formula, paste("~ . + (1 |", group, ")")), d,
              control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10)))
  terms <- label(names(fixef(fit)))
  errors <- sqrt(diag(as.matrix(vcov(fit))))
  for (i in seq_along(terms)) {
    add(name, "mixed_estimate", terms[i], fixef(fit)[[i]])
    add(name, "mixed_std_error", terms[i], errors[[i]])
  }
  v <- as.data.frame(VarCorr(fit))$vcov
  add(name, "sigma2_between", "", v[1]); add(name, "sigma2_within", "", v[2])
  add(name, "reml_criterion", "", REMLcrit(fit))
}
both <- function(name, d, formula, group, block) {
  least_squares(name, d, formula, group, block); intercepts(name, d, formula, group)
}

sleep <- real("lme4.sleepstudy", sleepstudy)
both("sleepstudy", sleep, Reaction ~ Days, "Subject", "Days")
teach <- real("AER.TeachingRatings")
teach$minority <- as.numeric(teach$minority == "yes"); teach$female <- as.numeric(teach$gender == "female")
teach$upper <- as.numeric(teach$division == "upper")
both("TeachingRatings", teach, eval ~ beauty + age + female + minority + upper, "prof", c("beauty", "age", "female"))
intercepts("TeachingRatings_mean", teach, eval ~ 1, "prof")
ortho <- real("nlme.Orthodont", as.data.frame(Orthodont)); ortho$female <- as.numeric(ortho$Sex == "Female")
both("Orthodont", ortho, distance ~ age + female, "Subject", c("age", "female"))
chick <- real("datasets.ChickWeight", as.data.frame(ChickWeight))
for (diet in 2:4) chick[[paste0("diet", diet)]] <- as.numeric(chick$Diet == diet)
both("ChickWeight", chick, weight ~ Time + diet2 + diet3 + diet4, "Chick", c("diet2", "diet3", "diet4"))
math <- real("nlme.MathAchieve", as.data.frame(MathAchieve)); math$minority <- as.numeric(math$Minority == "Yes")
both("MathAchieve", math, MathAch ~ SES + MEANSES + minority, "School", c("SES", "MEANSES"))

exact <- glm.control(epsilon = 1e-15, maxit = 200)
seizures <- real("MASS.epil", epil); seizures$treated <- as.numeric(seizures$trt == "progabide")
counts("epil", glm(y ~ lbase + treated + lage + V4, poisson, seizures, control = exact), seizures$subject, c("treated", "lage"))
ticks <- real("lme4.grouseticks", grouseticks); ticks$year96 <- as.numeric(ticks$YEAR == 96); ticks$year97 <- as.numeric(ticks$YEAR == 97)
counts("grouseticks", glm(TICKS ~ cHEIGHT + year96 + year97, poisson, ticks, control = exact), ticks$BROOD, c("year96", "year97"))
negative <- glm(y ~ lbase + treated + lage + V4, negative.binomial(3), seizures, control = exact)
counts("epil_nb3", negative, seizures$subject, c("treated", "lage"))

# One with many: two ratings of each pupil, pupils in classes; pairs of years of a child.
two <- function(name, a, b, group) {
  long <- data.frame(y = c(a, b), role = factor(rep(c("a", "b"), each = length(a))), group = rep(group, 2),
                     dyad = factor(rep(seq_along(a), 2)))
  long <- long[order(long$group, long$dyad, long$role), ]
  fit <- lme(y ~ 0 + role, random = ~ 0 + role | group, data = long,
             correlation = corCompSymm(form = ~ 1 | group/dyad), weights = varIdent(form = ~ 1 | role),
             control = lmeControl(msMaxIter = 500, msMaxEval = 5000, tolerance = 1e-10,
                                  msTol = 1e-14, niterEM = 60))
  B <- as.matrix(getVarCov(fit))
  ratio <- coef(fit$modelStruct$varStruct, unconstrained = FALSE)[[1]]
  s <- if (names(coef(fit$modelStruct$varStruct, unconstrained = FALSE)) == "b") c(1, ratio) else c(ratio, 1)
  add(name, "variance_case_manager", "client", B[1, 1]); add(name, "variance_case_manager", "case_manager", B[2, 2])
  add(name, "variance_rest", "client", (fit$sigma * s[1])^2); add(name, "variance_rest", "case_manager", (fit$sigma * s[2])^2)
  add(name, "correlation_case_manager", "both", B[1, 2] / sqrt(B[1, 1] * B[2, 2]))
  add(name, "correlation_rest", "both", coef(fit$modelStruct$corStruct, unconstrained = FALSE)[[1]])
}
pupils <- real("MASS.nlschools", nlschools)
two("nlschools", pupils$lang, pupils$IQ, pupils$class)
two("MathAchieve_pair", math$MathAch, math$SES, math$School)

# The share of the groups by analysis of variance; with equal groups psych::ICC and its exact limits.
anova_share <- function(name, y, group) {
  group <- factor(group); ms <- anova(lm(y ~ group))$"Mean Sq"; s <- table(group)
  s0 <- (sum(s) - sum(s^2) / sum(s)) / (length(s) - 1)
  add(name, "icc", "", (ms[1] - ms[2]) / (ms[1] + (s0 - 1) * ms[2]))
  add(name, "icc_p_value", "", anova(lm(y ~ group))$"Pr(>F)"[1])
}
anova_share("TeachingRatings", teach$eval, teach$prof)
anova_share("ChickWeight", chick$weight, chick$Chick)
anova_share("nlschools", pupils$lang, pupils$class)
wide <- t(matrix(ortho$distance[order(ortho$Subject, ortho$age)], nrow = 4))
one <- psych::ICC(wide, lmer = FALSE)$results[1, ]
add("Orthodont", "icc", "", one$ICC)
add("Orthodont", "icc_low", "", one$"lower bound"); add("Orthodont", "icc_high", "", one$"upper bound")

write.csv(do.call(rbind, out), args[2], row.names = FALSE, quote = FALSE)
