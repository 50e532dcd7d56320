variable "region" {
  type    = string
  default = "eu-west-1"
}

variable "retention_days" {
  type = number
}

variable "shards" {
  type    = number
  default = 1
}

variable "alert_email" {
  type = string
}

variable "api_token" {
  type      = string
  sensitive = true
}
