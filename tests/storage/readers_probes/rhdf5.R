suppressMessages(library(rhdf5))
file <- commandArgs(TRUE)[1]
cat(sprintf("ERROR %.17g\n", tail(h5read(file, "ode/generalization_error"), 1)))
cat("SHAPE", dim(h5read(file, "ode/R_1")), "\n")
cat("LABEL", suppressWarnings(h5readAttributes(file, "ode/generalization_error"))$long_name, "\n")
