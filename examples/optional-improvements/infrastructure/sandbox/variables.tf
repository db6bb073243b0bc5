variable "redis_node_type" {
  description = "Type of the Redis node."
  type        = string

  validation {
    condition     = startswith(var.redis_node_type, "cache.")
    error_message = "A node of ElastiCache, such as cache.t3.large."
  }
}

variable "monitoring_enabled" {
  description = "Whether the alarms are there."
  type        = bool
}
