variable "prefix" {
  type = string
}

variable "landing" {
  type = string
}

variable "shards" {
  type = number
}

variable "api_token" {
  type      = string
  sensitive = true
}

variable "alert_email" {
  type = string
}

data "archive_file" "handler" {
  type        = "zip"
  source_dir  = "${path.module}/src"
  output_path = "${path.root}/.build/ingest.zip"
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "ingest" {
  name               = "${var.prefix}-ingest"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_kinesis_stream" "orders" {
  name        = "${var.prefix}-orders"
  shard_count = var.shards
}

resource "aws_lambda_function" "ingest" {
  function_name    = "${var.prefix}-ingest"
  role             = aws_iam_role.ingest.arn
  runtime          = "python3.13"
  handler          = "app.handler"
  filename         = data.archive_file.handler.output_path
  source_code_hash = data.archive_file.handler.output_base64sha256

  environment {
    variables = {
      LANDING   = var.landing
      STREAM    = aws_kinesis_stream.orders.name
      API_TOKEN = var.api_token
    }
  }
}

resource "aws_sns_topic" "alerts" {
  name = "${var.prefix}-alerts"
}

resource "aws_sns_topic_subscription" "mail" {
  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = var.alert_email
}

resource "aws_sqs_queue" "failed" {
  count = 2
  name  = "${var.prefix}-failed-${count.index}"
}
