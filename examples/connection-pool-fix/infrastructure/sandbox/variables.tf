variable "rds_max_connections" {
  description = "max_connections of production's RDS parameter group. Static: a reboot puts it in force."
  type        = number

  validation {
    condition     = var.rds_max_connections >= 10 && var.rds_max_connections <= 1000
    error_message = "The sandbox's database takes 10 to 1000 connections."
  }
}
