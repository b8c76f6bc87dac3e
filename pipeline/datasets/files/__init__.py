"""Files in folders and tables, as every data set of files finds, labels and splits them."""
