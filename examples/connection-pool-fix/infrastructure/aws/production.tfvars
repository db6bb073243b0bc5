rds_instance        = "whatsapp-saas-prod"
parameter_group     = "whatsapp-saas-prod"
rds_max_connections = 100 # twice the pool limit of one release
