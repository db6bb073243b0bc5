# What needs no provider: your configuration names its cloud.
terraform {
  required_version = ">= 1.4"
  backend "local" {} # its path is given by the plan's backendConfig
}

variable "cache_node_type" {
  description = "Size of a node of the cache."
  type        = string
}

resource "terraform_data" "cache" {
  input = var.cache_node_type
}
