# The sandbox's stand-ins, in the same modules as infrastructure/aws: a plan that names module.cache or
# module.monitoring as its target means the same in both.
terraform {
  required_version = ">= 1.4"
  backend "local" {} # its path is given by the plan's backendConfig
}

module "cache" {
  source    = "./modules/cache"
  node_type = var.redis_node_type
}

module "monitoring" {
  source  = "./modules/monitoring"
  enabled = var.monitoring_enabled
}
