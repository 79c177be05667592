"""Lines (数据专线): what carries rows from a source to a dataset, checked, counted and resumable."""
