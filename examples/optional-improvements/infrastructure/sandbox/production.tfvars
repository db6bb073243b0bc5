redis_node_type    = "cache.t3.medium" # what is there before the improvements
monitoring_enabled = false
