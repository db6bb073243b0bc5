variable "enabled" {
  description = "Whether the alarms are there."
  type        = bool
}

locals {
  thresholds = {
    error-rate    = 0.01
    pool-waiting  = 0
    response-time = 0.4
  }
}

resource "terraform_data" "alarm" {
  for_each = var.enabled ? local.thresholds : {}

  input            = each.value
  triggers_replace = each.value

  provisioner "local-exec" {
    interpreter = ["node", "${path.module}/../../../../bin/alarm.mjs", "put", "whatsapp-saas-monitoring-${each.key}"]
    command     = each.value
  }

  provisioner "local-exec" {
    when        = destroy
    interpreter = ["node", "${path.module}/../../../../bin/alarm.mjs", "delete", "whatsapp-saas-monitoring-${each.key}"]
    command     = self.input
  }
}
