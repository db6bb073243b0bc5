variable "enabled" {
  description = "Whether the alarms are there."
  type        = bool
}

variable "rds_instance" {
  description = "Identifier of the RDS instance that is watched."
  type        = string
}

variable "redis_node" {
  description = "Cache cluster of the node that is watched."
  type        = string
}

locals {
  alarms = {
    connections = { namespace = "AWS/RDS", metric = "DatabaseConnections", threshold = 90, dimensions = { DBInstanceIdentifier = var.rds_instance } }
    cpu         = { namespace = "AWS/RDS", metric = "CPUUtilization", threshold = 80, dimensions = { DBInstanceIdentifier = var.rds_instance } }
    evictions   = { namespace = "AWS/ElastiCache", metric = "Evictions", threshold = 0, dimensions = { CacheClusterId = var.redis_node } }
  }
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each = var.enabled ? local.alarms : {}

  alarm_name          = "whatsapp-saas-monitoring-${each.key}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = 3
}
