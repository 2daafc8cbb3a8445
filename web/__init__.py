"""What serves HTTP and is not a data or job route: guards, problems, paging, waiting, help."""
