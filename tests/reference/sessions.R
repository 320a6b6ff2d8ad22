# Reference numbers for the cross-lagged model with random intercepts. R 4.2, lavaan 0.6-14. From
# the repository's root, with person, time, y, x as csv in /tmp/real (tests/models/test_sessions.py
# says of what):
#   Rscript tests/reference/sessions.R /tmp/real tests/reference/sessions.csv
suppressMessages(library(lavaan))
args <- commandArgs(TRUE)
out <- list()
add <- function(dataset, term, value)
  out[[length(out) + 1]] <<- data.frame(dataset, term, value = sprintf("%.15g", value))
model_of <- function(T, vy, vx) {
  s <- function(value) sprintf("start(%g)*", value)  # lavaan finds no solution from its own starts
  y <- paste0("y", 1:T); x <- paste0("x", 1:T); p <- paste0("p", 1:T); q <- paste0("q", 1:T)
  lines <- c(paste("iy =~", paste0("1*", y, collapse = " + ")),
             paste("ix =~", paste0("1*", x, collapse = " + ")),
             paste0(p, " =~ 1*", y), paste0(q, " =~ 1*", x),
             paste0(y, " ~~ 0*", y), paste0(x, " ~~ 0*", x),
             paste0("iy ~~ vy*iy + ", s(vy / 2), "iy"), paste0("ix ~~ vx*ix + ", s(vx / 2), "ix"),
             paste0("iy ~~ cxy*ix + ", s(0), "ix"), paste0("p1 ~~ f1*p1 + ", s(vy / 2), "p1"),
             paste0("q1 ~~ f2*q1 + ", s(vx / 2), "q1"), paste0("p1 ~~ f12*q1 + ", s(0), "q1"),
             paste0(y, " ~ 1"), paste0(x, " ~ 1"))
  for (t in 2:T) lines <- c(lines,
    
    sprintf("p%d ~ a*p%d + start(0.3)*p%d + b*q%d", t, t - 1, t - 1, t - 1),
    sprintf("q%d ~ c*p%d + d*q%d + start(0.3)*q%d", t, t - 1, t - 1, t - 1),
    sprintf("p%d ~~ n1*p%d + start(%g)*p%d", t, t, vy / 3, t),
    sprintf("q%d ~~ n2*q%d + start(%g)*q%d", t, t, vx / 3, t), sprintf("p%d ~~ n12*q%d", t, t))
  lines <- c(lines, "iy ~~ 0*p1 + 0*q1", "ix ~~ 0*p1 + 0*q1")
  paste(lines, collapse = "\n")
}
for (name in c("PSID7682", "wagepan", if (file.exists(file.path(args[1], "gad5.csv"))) "gad5")) {
  d <- read.csv(file.path(args[1], paste0(name, ".csv")))
  d$time <- d$time - min(d$time) + 1; T <- max(d$time)
  w <- reshape(d, idvar = "person", timevar = "time", direction = "wide", sep = "")
  fit <- lavaan(model_of(T, var(d$y, na.rm = TRUE), var(d$x, na.rm = TRUE)), w, missing = "fiml", fixed.x = FALSE, meanstructure = TRUE,
                information = "observed", baseline = FALSE, check.gradient = FALSE, control = list(rel.tol = 1e-10, iter.max = 5000))
  e <- parameterEstimates(fit)
  for (label in c("a", "b", "c", "d", "vy", "vx", "cxy", "f1", "f2", "n1", "n2")) {
    row <- e[e$label == label, ][1, ]
    add(name, label, row$est)
    if (label %in% c("a", "b", "c", "d")) add(name, paste0(label, "_se"), row$se)
  }
  add(name, "llf", as.numeric(logLik(fit)))
}
write.csv(do.call(rbind, out), args[2], row.names = FALSE, quote = FALSE)
