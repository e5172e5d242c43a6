suppressMessages(library(hdf5r))
held <- H5File$new(commandArgs(TRUE)[1], mode = "r")
error <- held[["ode/generalization_error"]]
cat(sprintf("ERROR %.17g\n", tail(error[], 1)))
cat("SHAPE", held[["ode/R_1"]]$dims, "\n")
cat("LABEL", h5attr(error, "long_name"), "\n")
