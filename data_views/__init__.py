"""The work of the data routes: pages of records as JSON, records as files, and changes of records."""
