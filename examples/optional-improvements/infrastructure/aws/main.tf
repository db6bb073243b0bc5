# What the document's Infrastructure/terraform comes down to for the improvements. In the plans it replaces
# infrastructure/sandbox; the addresses to allow are then those of aws_cloudwatch_metric_alarm, and a node type changes
# in place, so that nothing of the cache has to be allowed.
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

module "cache" {
  source    = "./modules/cache"
  node_type = var.redis_node_type
}

# It names what it watches, and does not refer to module.cache: a target takes along whatever it depends on.
module "monitoring" {
  source       = "./modules/monitoring"
  enabled      = var.monitoring_enabled
  rds_instance = var.rds_instance
  redis_node   = var.redis_node
}
