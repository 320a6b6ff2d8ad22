# Reference numbers for regression and stepwise: a loop of R's own add1 and drop1 with F tests,
# blocks in order, terms of earlier blocks stay. R 4.2. From the repository's root:
#   .venv/bin/python tests/reference/export_data.py /tmp/real MASS/Boston MASS/Cars93 datasets/mtcars \
#     MASS/UScrime datasets/swiss psych/sat.act ISLR/Hitters datasets/LifeCycleSavings \
#     datasets/longley datasets/attitude
#   Rscript tests/reference/regression.R /tmp/real tests/reference/regression.csv
args <- commandArgs(TRUE)
out <- list()
add <- function(dataset, statistic, block, step, term, value)
  out[[length(out) + 1]] <<- data.frame(dataset, statistic, block, step, term, value = sprintf("%.15g", value))
real <- function(name, own = NULL) {
  d <- read.csv(file.path(args[1], paste0(name, ".csv")), stringsAsFactors = TRUE)
  for (column in intersect(names(own), names(d)))
    if (is.numeric(own[[column]]) && !isTRUE(all.equal(as.numeric(own[[column]]), as.numeric(d[[column]]))))
      stop("R's own copy differs: ", name, " ", column)
  d
}
model <- function(outcome, terms) reformulate(if (length(terms)) terms else "1", outcome)

report <- function(name, outcome, d, block, terms, before) {
  fit <- lm(model(outcome, terms), d); s <- summary(fit)
  add(name, "r_squared", block, 0, "", s$r.squared)
  add(name, "adj_r_squared", block, 0, "", s$adj.r.squared)
  add(name, "n", block, 0, "", nobs(fit))
  if (length(terms) > length(before)) {
    a <- anova(lm(model(outcome, before), d), fit)
    add(name, "f_change", block, 0, "", a$F[2]); add(name, "p_change", block, 0, "", a$"Pr(>F)"[2])
    add(name, "df1", block, 0, "", a$Df[2]); add(name, "df2", block, 0, "", a$Res.Df[2])
  }
  ci <- confint(fit)
  for (term in rownames(s$coefficients)) {
    ours <- if (term == "(Intercept)") "intercept" else term
    add(name, "estimate", block, 0, ours, s$coefficients[term, 1])
    add(name, "std_error", block, 0, ours, s$coefficients[term, 2])
    add(name, "p_value", block, 0, ours, s$coefficients[term, 4])
    add(name, "conf_low", block, 0, ours, ci[term, 1])
    if (term == "(Intercept)") next
    others <- setdiff(terms, term)
    add(name, "beta", block, 0, term, s$coefficients[term, 1] * sd(d[[term]]) / sd(d[[outcome]]))
    add(name, "tolerance", block, 0, term, 1 - summary(lm(model(term, others), d))$r.squared)
    add(name, "semipartial_r2", block, 0, term, s$r.squared - summary(lm(model(outcome, others), d))$r.squared)
  }
}

stepwise <- function(name, data, outcome, blocks, p_enter = .05, p_remove = .10) {
  d <<- na.omit(data[c(outcome, unlist(blocks))])   # add1 and drop1 look for it here
  held <- character()
  for (block in names(blocks)) {
    inside <- character(); step <- 0
    repeat {
      fit <- lm(model(outcome, c(held, inside)), d)
      action <- NULL
      if (length(inside)) {
        drop <- drop1(fit, reformulate(inside), test = "F")[-1, ]
        if (max(drop$"Pr(>F)") > p_remove) {
          action <- "remove"; row <- drop[which.max(drop$"Pr(>F)"), ]
          term <- rownames(row); inside <- setdiff(inside, term)
        }
      }
      outside <- setdiff(blocks[[block]], inside)
      if (is.null(action) && length(outside)) {
        come <- add1(fit, reformulate(c(held, inside, outside)), test = "F")[-1, ]
        if (min(come$"Pr(>F)") < p_enter) {
          action <- "enter"; row <- come[which.min(come$"Pr(>F)"), ]
          term <- rownames(row); inside <- c(inside, term)
        }
      }
      if (is.null(action)) break
      step <- step + 1
      add(name, paste0(action, "_f"), block, step, term, row$"F value")
      add(name, paste0(action, "_p"), block, step, term, row$"Pr(>F)")
      add(name, paste0(action, "_r_squared"), block, step, term, summary(lm(model(outcome, c(held, inside)), d))$r.squared)
    }
    report(name, outcome, d, block, c(held, inside), held)
    held <- c(held, inside)
  }
}
enter <- function(name, data, outcome, blocks) {
  d <<- na.omit(data[c(outcome, unlist(blocks))])   # add1 and drop1 look for it here
  held <- character()
  for (block in names(blocks)) {
    report(name, outcome, d, block, c(held, blocks[[block]]), held)
    held <- c(held, blocks[[block]])
  }
}

boston <- real("MASS.Boston", MASS::Boston)
stepwise("Boston", boston, "medv", list(place = c("chas", "rad", "tax", "dis", "zn"),
  people = c("crim", "ptratio", "black", "lstat"), house = c("rm", "age", "nox", "indus")))
cars <- real("MASS.Cars93", MASS::Cars93)
numeric <- setdiff(names(cars)[sapply(cars, is.numeric)], "EngineSize")
stepwise("Cars93", cars, "EngineSize", list(all = numeric))
stepwise("Cars93_rpm", cars, "RPM", list(price = c("Min.Price", "Price", "Max.Price"),
  rest = setdiff(c(numeric, "EngineSize"), c("RPM", "Min.Price", "Price", "Max.Price"))))
mt <- real("datasets.mtcars", mtcars)
stepwise("mtcars", mt, "hp", list(all = setdiff(names(mt), "hp")))
crime <- real("MASS.UScrime", MASS::UScrime)
stepwise("UScrime", crime, "Prob", list(all = setdiff(names(crime), "Prob")))
sw <- real("datasets.swiss", swiss)
stepwise("swiss", sw, "Fertility", list(work = c("Agriculture", "Education"), rest = c("Examination", "Catholic", "Infant.Mortality")))
stepwise("swiss_nothing", sw, "Infant.Mortality", list(work = c("Agriculture", "Examination", "Education"), rest = c("Catholic", "Fertility")))
sat <- real("psych.sat.act", psych::sat.act)
stepwise("sat.act", sat, "SATQ", list(person = c("gender", "education", "age"), tests = c("ACT", "SATV")))
hitters <- real("ISLR.Hitters")
hitters <- hitters[sapply(hitters, is.numeric)]
stepwise("Hitters", hitters, "HmRun", list(all = setdiff(names(hitters), "HmRun")))
stepwise("Hitters_loose", hitters, "Salary", list(season = names(hitters)[1:6], career = names(hitters)[7:13],
  field = names(hitters)[14:16]), p_enter = .15, p_remove = .20)
saving <- real("datasets.LifeCycleSavings", LifeCycleSavings)
enter("LifeCycleSavings", saving, "sr", list(age = c("pop15", "pop75"), income = c("dpi", "ddpi")))
employed <- real("datasets.longley", longley)
enter("longley", employed, "Employed", list(economy = c("GNP.deflator", "GNP"), people = c("Unemployed", "Armed.Forces", "Population")))
rating <- real("datasets.attitude", attitude)
enter("attitude", rating, "rating", list(a = c("complaints", "privileges"), b = c("learning", "raises", "critical", "advance")))

write.csv(do.call(rbind, out), args[2], row.names = FALSE, quote = FALSE)
