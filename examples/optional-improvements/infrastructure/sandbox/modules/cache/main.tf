variable "node_type" {
  description = "Type of the node."
  type        = string
}

resource "terraform_data" "redis" {
  triggers_replace = var.node_type

  provisioner "local-exec" {
    interpreter = ["node", "${path.module}/../../../../bin/cache-node.mjs", "set"]
    command     = var.node_type
  }
}
