# Negative binomial of counts at a cap known only to be that many or more. R 4.2, MASS 7.3-58.2.
# From the repository's root:
#   .venv/bin/python tests/reference/export_data.py /tmp/real MASS/quine COUNT/medpar AER/NMES1988
#   Rscript tests/reference/capped.R /tmp/real tests/reference/capped.csv
suppressMessages(library(MASS))
args <- commandArgs(TRUE)
real <- function(name) read.csv(file.path(args[1], paste0(name, ".csv")))
fit <- function(name, y, x, cap) {
  y <- pmin(y, cap)
  Z <- cbind(1, scale(as.matrix(x)))
  minus <- function(p) {
    mu <- exp(drop(Z %*% p[-1])); size <- exp(p[1])
    -sum(ifelse(y < cap, dnbinom(y, size = size, mu = mu, log = TRUE),
                pnbinom(y - 1, size = size, mu = mu, lower.tail = FALSE, log.p = TRUE)))
  }
  start <- glm.nb(y ~ Z - 1)
  found <- optim(c(log(start$theta), coef(start)), minus, method = "BFGS",
                 control = list(reltol = 1e-15, maxit = 1e4))
  found <- optim(found$par, minus, method = "BFGS", control = list(reltol = 1e-16, maxit = 1e4))
  data.frame(dataset = name, statistic = c("llf", "theta", "intercept", names(x)),
             value = sprintf("%.12g", c(-found$value, exp(found$par[1]), found$par[-1])))
}
q <- real("MASS.quine"); m <- real("COUNT.medpar"); n <- real("AER.NMES1988")
out <- rbind(
  fit("quine", q$Days, data.frame(sex = as.numeric(q$Sex == "M")), 40),
  fit("medpar", m$los, m[c("hmo", "white")], 20),
  fit("NMES1988", n$visits, n[c("chronic", "school")], 15))
write.csv(out, args[2], row.names = FALSE, quote = FALSE)
