terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      team        = "orders"
      environment = "dev"
    }
  }
}

module "lake" {
  source = "../../modules/lake"

  prefix         = "acme-orders-dev"
  retention_days = var.retention_days
}

module "ingest" {
  source = "../../modules/ingest"

  prefix      = "acme-orders-dev"
  landing     = module.lake.landing
  shards      = var.shards
  api_token   = var.api_token
  alert_email = var.alert_email
}

output "landing_bucket" {
  description = "Where files arrive"
  value       = module.lake.landing
}

output "api_token" {
  value     = var.api_token
  sensitive = true
}
