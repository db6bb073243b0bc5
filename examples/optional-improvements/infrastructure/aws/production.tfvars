redis_node_type    = "cache.t3.medium" # 347 evictions at peak load
monitoring_enabled = false
rds_instance       = "whatsapp-saas-prod"
redis_node         = "whatsapp-saas-prod-001"
