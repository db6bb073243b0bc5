rds_max_connections = 100 # twice the pool limit of one release
