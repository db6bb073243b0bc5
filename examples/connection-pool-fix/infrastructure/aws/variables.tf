variable "region" {
  description = "Where the instance runs."
  type        = string
  default     = "us-east-1"
}

variable "rds_instance" {
  description = "Identifier of production's RDS instance."
  type        = string
}

variable "parameter_group" {
  description = "Its parameter group."
  type        = string
}

variable "rds_max_connections" {
  description = "max_connections of the parameter group. Static: a reboot puts it in force."
  type        = number

  validation {
    condition     = var.rds_max_connections >= 6 && var.rds_max_connections <= 8388607
    error_message = "RDS takes 6 to 8388607 connections."
  }
}
