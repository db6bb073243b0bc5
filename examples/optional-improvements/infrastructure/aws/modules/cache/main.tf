variable "node_type" {
  description = "Type of the nodes."
  type        = string
}

# With a replica and automatic failover a new node type costs no cache: nodes are replaced one after the other.
resource "aws_elasticache_replication_group" "redis" {
  replication_group_id       = "whatsapp-saas-prod"
  description                = "Cache of whatsapp-saas"
  engine                     = "redis"
  node_type                  = var.node_type
  num_cache_clusters         = 2
  automatic_failover_enabled = true
  apply_immediately          = true # else it waits for the maintenance window, and a probe would wait with it
}
