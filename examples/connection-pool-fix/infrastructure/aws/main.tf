# What the document's Infrastructure/terraform comes down to. In a plan:
#   - infra: { terraform: infrastructure/aws, varFiles: [production.tfvars], backendConfig: { bucket: …, key: … } }
#     onRollback: keep
#   - reboot: { rdsInstance: whatsapp-saas-prod, … } # max_connections is static: the apply alone changes nothing in force
# Commit the .terraform.lock.hcl that "terraform init" writes: workers use the providers that it names.
terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }

  backend "s3" {} # bucket, key and region are given by the plan's backendConfig
}

provider "aws" {
  region = var.region
}

resource "aws_db_parameter_group" "main" {
  name        = var.parameter_group
  family      = "postgres16"
  description = "Connections of ${var.rds_instance}"

  parameter {
    name         = "max_connections"
    value        = var.rds_max_connections
    apply_method = "pending-reboot"
  }
}

data "aws_db_instance" "production" {
  db_instance_identifier = var.rds_instance
}

# A warning of the plan, which the approval shows: without it the reboot would wait for a change that never comes.
check "instance_uses_the_group" {
  assert {
    condition     = contains(data.aws_db_instance.production.db_parameter_groups, var.parameter_group)
    error_message = "${var.rds_instance} does not use the parameter group ${var.parameter_group}."
  }
}
