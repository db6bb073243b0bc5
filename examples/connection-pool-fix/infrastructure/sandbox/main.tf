# The story's infrastructure. In real life this is an aws_db_parameter_group with
#   parameter { name = "max_connections", value = var.rds_max_connections, apply_method = "pending-reboot" }
# The sandbox has no provider for its RDS, so a provisioner sends the same call. A changed value replaces the
# resource (a change of `input` would run no provisioner): the plan has to allow that address.
terraform {
  required_version = ">= 1.4"
  backend "local" {} # its path is given by the plan's backendConfig
}

resource "terraform_data" "max_connections" {
  triggers_replace = var.rds_max_connections

  provisioner "local-exec" {
    interpreter = ["node", "${path.module}/../../bin/rds-parameter.mjs", "max_connections"]
    command     = var.rds_max_connections
  }
}
