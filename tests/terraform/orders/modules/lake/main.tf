variable "prefix" {
  type = string
}

variable "retention_days" {
  type = number
}

locals {
  zones = toset(["landing", "curated"])
}

resource "aws_s3_bucket" "zone" {
  for_each = local.zones
  bucket   = "${var.prefix}-${each.key}"
}

resource "aws_s3_bucket_versioning" "zone" {
  for_each = aws_s3_bucket.zone
  bucket   = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "landing" {
  bucket = aws_s3_bucket.zone["landing"].id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}

    expiration {
      days = var.retention_days
    }
  }
}

resource "aws_glue_catalog_database" "lake" {
  name = replace("${var.prefix}_lake", "-", "_")
}

resource "aws_athena_workgroup" "analysts" {
  name = "${var.prefix}-analysts"

  configuration {
    result_configuration {
      output_location = "s3://${aws_s3_bucket.zone["curated"].bucket}/results/"
    }
  }
}

output "landing" {
  value = aws_s3_bucket.zone["landing"].bucket
}
