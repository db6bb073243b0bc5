variable "region" {
  description = "Where everything runs."
  type        = string
  default     = "us-east-1"
}

variable "redis_node_type" {
  description = "Type of the Redis node: cache.t3.medium has 3 GB, cache.t3.large 6 GB."
  type        = string
}

variable "monitoring_enabled" {
  description = "Whether the alarms are there."
  type        = bool
}

variable "rds_instance" {
  description = "Identifier of production's RDS instance."
  type        = string
}

variable "redis_node" {
  description = "Cache cluster of the node whose evictions are watched."
  type        = string
}
