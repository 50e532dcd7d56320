"""Of the stand-in of hashicorp/aws: buckets, databases of Glue and workgroups of Athena."""

from aws_base import NAME, REGION, TAGS, ByArn, Typed, changed, pairs, unpaired
from plugin import Attr, Block


class Bucket(Typed):
    service, gone = "s3", ("NoSuchBucket", "404", "NotFound")
    schema = Block(
        {
            "id": Attr(computed=True),
            "arn": Attr(computed=True),
            "bucket": Attr(computed="optional", replace=True),
            "bucket_domain_name": Attr(computed=True),
            "bucket_region": Attr(computed=True),
            "force_destroy": Attr("bool", default=False),
            **TAGS,
            **REGION,
        }
    )

    def make(self, planned):
        name, region = planned["bucket"], planned["region"]
        more = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self.client.create_bucket(Bucket=name, **more)
        if planned["tags_all"]:
            self.tag({"id": name}, planned["tags_all"], [])
        return {"id": name}

    def look(self, state):
        name = state["id"]
        self.client.head_bucket(Bucket=name)
        return {
            "bucket": name,
            "arn": f"arn:aws:s3:::{name}",
            "bucket_domain_name": f"{name}.s3.amazonaws.com",
            "bucket_region": state.get("region") or self.provider.region,
        }

    def remove(self, state):
        if state["force_destroy"]:
            for page in self.client.get_paginator("list_object_versions").paginate(Bucket=state["id"]):
                for it in page.get("Versions", []) + page.get("DeleteMarkers", []):
                    self.client.delete_object(Bucket=state["id"], Key=it["Key"], VersionId=it["VersionId"])
        self.client.delete_bucket(Bucket=state["id"])

    def tags(self, state):
        from botocore.exceptions import ClientError

        try:
            return unpaired(self.client.get_bucket_tagging(Bucket=state["id"])["TagSet"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchTagSet":
                raise
            return {}

    def tag(self, state, tags, removed):
        self.client.put_bucket_tagging(Bucket=state["id"], Tagging={"TagSet": pairs(tags)})


class Versioning(Typed):
    service, gone = "s3", ("NoSuchBucket",)
    schema = Block(
        {"id": Attr(computed=True), "bucket": Attr(required=True, replace=True), **REGION},
        {"versioning_configuration": Block({"status": Attr(required=True)}, least=1, most=1)},
    )

    def put(self, bucket, status):
        self.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})

    def make(self, planned):
        self.put(planned["bucket"], planned["versioning_configuration"][0]["status"])
        return {"id": planned["bucket"]}

    def look(self, state):
        status = self.client.get_bucket_versioning(Bucket=state["id"]).get("Status", "Disabled")
        return {"bucket": state["id"], "versioning_configuration": [{"status": status}]}

    def change(self, prior, planned):
        self.put(planned["bucket"], planned["versioning_configuration"][0]["status"])

    def remove(self, state):
        # A bucket that once had versions can have it no other way.
        self.put(state["id"], "Suspended")


class Lifecycle(Typed):
    service, gone = "s3", ("NoSuchBucket", "NoSuchLifecycleConfiguration")
    RULE = Block(
        {"id": Attr(required=True), "status": Attr(required=True), "prefix": Attr()},
        {
            "filter": Block({"prefix": Attr()}, most=1),
            "expiration": Block({"days": Attr("number"), "date": Attr()}, most=1),
        },
    )
    schema = Block(
        {"id": Attr(computed=True), "bucket": Attr(required=True, replace=True), **REGION},
        {"rule": RULE},
    )

    def put(self, planned):
        rules = []
        for rule in planned["rule"]:
            told = {"ID": rule["id"], "Status": rule["status"]}
            told["Filter"] = {"Prefix": next((f["prefix"] for f in rule["filter"] if f["prefix"]), "")}
            for expiration in rule["expiration"]:
                told["Expiration"] = {"Days": int(expiration["days"])}
            rules.append(told)
        self.client.put_bucket_lifecycle_configuration(
            Bucket=planned["bucket"], LifecycleConfiguration={"Rules": rules}
        )

    def make(self, planned):
        self.put(planned)
        return {"id": planned["bucket"]}

    def look(self, state):
        found = self.client.get_bucket_lifecycle_configuration(Bucket=state["id"])["Rules"]
        rules = []
        for rule in found:
            expiration = rule.get("Expiration", {})
            rules.append(
                {
                    "id": rule["ID"],
                    "status": rule["Status"],
                    "filter": [{"prefix": rule.get("Filter", {}).get("Prefix") or None}],
                    "expiration": [{"days": expiration["Days"]}] if "Days" in expiration else [],
                }
            )
        return {"bucket": state["id"], "rule": rules}

    def change(self, prior, planned):
        self.put(planned)

    def remove(self, state):
        self.client.delete_bucket_lifecycle(Bucket=state["id"])


class Database(Typed):
    service, gone = "glue", ("EntityNotFoundException",)
    schema = Block(
        {
            **NAME,
            "catalog_id": Attr(computed="optional", replace=True),
            "description": Attr(),
            "location_uri": Attr(computed="optional"),
            **TAGS,
            **REGION,
        }
    )

    def input(self, planned):
        told = {"Name": planned["name"], "Description": planned["description"] or ""}
        return told | ({"LocationUri": planned["location_uri"]} if planned["location_uri"] else {})

    def make(self, planned):
        self.client.create_database(DatabaseInput=self.input(planned), Tags=planned["tags_all"])
        return {"id": f"{self.provider.account()}:{planned['name']}"}

    def look(self, state):
        account, _, name = state["id"].partition(":")
        found = self.client.get_database(Name=name)["Database"]
        region = self.region or self.provider.region
        return {
            "arn": f"arn:aws:glue:{region}:{account}:database/{name}",
            "name": name,
            "catalog_id": account,
            "description": found.get("Description") or None,
            "location_uri": found.get("LocationUri", ""),
        }

    def change(self, prior, planned):
        if changed(prior, planned, "description", "location_uri"):
            self.client.update_database(Name=planned["name"], DatabaseInput=self.input(planned))

    def remove(self, state):
        self.client.delete_database(Name=state["name"])

    def tags(self, state):
        return self.client.get_tags(ResourceArn=state["arn"]).get("Tags", {})

    def tag(self, state, tags, removed):
        if removed:
            self.client.untag_resource(ResourceArn=state["arn"], TagsToRemove=removed)
        self.client.tag_resource(ResourceArn=state["arn"], TagsToAdd=tags)


class Workgroup(ByArn):
    service, gone = "athena", ("InvalidRequestException",)
    arn_key = "ResourceARN"
    CONFIGURATION = Block(
        {
            "enforce_workgroup_configuration": Attr("bool", default=True),
            "publish_cloudwatch_metrics_enabled": Attr("bool", default=True),
            "bytes_scanned_cutoff_per_query": Attr("number"),
        },
        {"result_configuration": Block({"output_location": Attr()}, most=1)},
        most=1,
    )
    schema = Block(
        {
            **NAME,
            "description": Attr(),
            "state": Attr(default="ENABLED"),
            "force_destroy": Attr("bool", default=False),
            **TAGS,
            **REGION,
        },
        {"configuration": CONFIGURATION},
    )

    def configuration(self, planned, results):
        told = {}
        for block in planned["configuration"]:
            told["EnforceWorkGroupConfiguration"] = block["enforce_workgroup_configuration"]
            told["PublishCloudWatchMetricsEnabled"] = block["publish_cloudwatch_metrics_enabled"]
            if block["bytes_scanned_cutoff_per_query"]:
                told["BytesScannedCutoffPerQuery"] = int(block["bytes_scanned_cutoff_per_query"])
            for inner in block["result_configuration"]:
                told[results] = {"OutputLocation": inner["output_location"]}
        return told

    def make(self, planned):
        self.client.create_work_group(
            Name=planned["name"],
            Configuration=self.configuration(planned, "ResultConfiguration"),
            Description=planned["description"] or "",
            Tags=pairs(planned["tags_all"]),
        )
        return {"id": planned["name"]}

    def look(self, state):
        found = self.client.get_work_group(WorkGroup=state["id"])["WorkGroup"]
        told = found.get("Configuration", {})
        location = told.get("ResultConfiguration", {}).get("OutputLocation")
        region = self.region or self.provider.region
        configuration = {
            "enforce_workgroup_configuration": told.get("EnforceWorkGroupConfiguration", True),
            "publish_cloudwatch_metrics_enabled": told.get("PublishCloudWatchMetricsEnabled", True),
            "bytes_scanned_cutoff_per_query": told.get("BytesScannedCutoffPerQuery"),
            "result_configuration": [{"output_location": location}] if location else [],
        }
        return {
            "arn": f"arn:aws:athena:{region}:{self.provider.account()}:workgroup/{found['Name']}",
            "name": found["Name"],
            "state": found.get("State", "ENABLED"),
            "description": found.get("Description") or None,
            "configuration": [configuration],
        }

    def change(self, prior, planned):
        if changed(prior, planned, "configuration", "description", "state"):
            self.client.update_work_group(
                WorkGroup=planned["id"],
                State=planned["state"],
                Description=planned["description"] or "",
                ConfigurationUpdates=self.configuration(planned, "ResultConfigurationUpdates"),
            )

    def remove(self, state):
        self.client.delete_work_group(WorkGroup=state["id"], RecursiveDeleteOption=state["force_destroy"])


RESOURCES = {
    "aws_athena_workgroup": Workgroup,
    "aws_glue_catalog_database": Database,
    "aws_s3_bucket": Bucket,
    "aws_s3_bucket_lifecycle_configuration": Lifecycle,
    "aws_s3_bucket_versioning": Versioning,
}
