"""One run of a module on shapes alone: its operators as a graph of index relations."""
