"""The rules of every string attribute of every type of resource that our stacks have.

An attribute is a path without list indexes (`rule.filter.prefix`). The keys of a map such as
`tags` are `tags{key}`, its values `tags{}`. An attribute whose values are references to other
resources needs no entry: AWS made those values.
"""

from __future__ import annotations

from typing import Final

from testbed.aws_strings.rules import Api, Documented, Exempt, Rule

Rules = dict[str, tuple[Rule, ...]]

_EC2_TEXT = r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]"
_IDENTIFIER = r"[a-zA-Z](-?[a-zA-Z0-9])*"  # RDS: no hyphen at the end, nor two in a row

TAG_KEY: Final = Documented(
    r"(?!aws:)[A-Za-z0-9 _.:/=+\-@]*", 128, "Tagging AWS Resources, limits and requirements"
)
TAG_VALUE: Final = Documented(
    r"[A-Za-z0-9 _.:/=+\-@]*", 256, "Tagging AWS Resources, limits and requirements", shortest=0
)
_TAGS: Final[Rules] = {"tags{key}": (TAG_KEY,), "tags{}": (TAG_VALUE,)}
_RULE_TEXT = Documented(f"{_EC2_TEXT}*", 255, "EC2 API, IpRange.Description", shortest=0)
_HOST_NAME = Documented(
    r"([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
    253,
    "Route 53 guide, DNS domain name format; RFC 1035: 255 octets with the root",
)
_BUCKET = Documented(
    r"(?!xn--|sthree-|amzn-s3-demo-)(?!.*(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$)"
    r"(?!.*\.\.)[a-z0-9][a-z0-9.-]*[a-z0-9]",
    63,
    "S3 guide, bucket naming rules",
    shortest=3,
)
_SECURITY_GROUP_RULE: Final[Rules] = {
    "description": (_RULE_TEXT,),
    "ip_protocol": (Documented("tcp|udp|icmp|icmpv6|-1", 6, "EC2 API, IpPermission"),),
    "cidr_ipv4": (Exempt("an address range, which settings and the provider parse"),),
}
_NUMBER = Exempt("a number, which Terraform's provider wants as a string")
_BOOLEAN = Documented("true|false", 5, "a boolean that Terraform's provider wants as a string")
_DEVICE = Documented(r"/dev/(sd[a-z]\d*|xvd[a-z]\d*)", 32, "EC2 guide, device names on Linux")
_SERVICE = r"com\.amazonaws\.[a-z0-9-]+\.[a-z0-9.-]+"
_IMAGE_BUILDER = "imagebuilder"
_TEMPLATE = "CreateLaunchTemplate"
_RECORD = "ChangeBatch.Changes[].ResourceRecordSet"
_TRACKING = "TargetTrackingConfiguration.CustomizedMetricSpecification"
_AMI = "distributions[].amiDistributionConfiguration"

CATALOGUE: Final[dict[str, Rules]] = {
    "aws_autoscaling_group": {
        "name": (
            Api("autoscaling", "CreateAutoScalingGroup", "AutoScalingGroupName"),
            Documented(r"[\x21-\x39\x3b-\x7e]+", 255, "Auto Scaling API, no colon in a name"),
        ),
        "health_check_type": (Documented("EC2|ELB|EBS|VPC_LATTICE", 32, "Auto Scaling API"),),
        "enabled_metrics": (
            Documented("Group[A-Za-z]+|WarmPool[A-Za-z]+", 64, "Auto Scaling API, metrics"),
        ),
        "initial_lifecycle_hook.name": (
            Api("autoscaling", "PutLifecycleHook", "LifecycleHookName"),
        ),
        "initial_lifecycle_hook.default_result": (
            Documented("CONTINUE|ABANDON", 8, "Auto Scaling API, PutLifecycleHook"),
        ),
        "initial_lifecycle_hook.lifecycle_transition": (
            Documented("autoscaling:EC2_INSTANCE_(LAUNCHING|TERMINATING)", 40, "Auto Scaling API"),
        ),
        "instance_refresh.strategy": (Api("autoscaling", "StartInstanceRefresh", "Strategy"),),
        "instance_refresh.preferences.checkpoint_delay": (_NUMBER,),
        "instance_refresh.preferences.instance_warmup": (_NUMBER,),
        "tag.key": (
            Api("autoscaling", "CreateAutoScalingGroup", "Tags[].Key"),
            # Instance metadata serves tags by key, so it takes fewer characters.
            Documented(r"(?!\.\.?$|_index$)[\w+\-=.,:@]+", 128, "EC2 guide, tags in metadata"),
        ),
        "tag.value": (Api("autoscaling", "CreateAutoScalingGroup", "Tags[].Value"), TAG_VALUE),
        "wait_for_capacity_timeout": (Exempt("of Terraform's provider, not sent to AWS"),),
    },
    "aws_autoscaling_lifecycle_hook": {
        "name": (Api("autoscaling", "PutLifecycleHook", "LifecycleHookName"),),
        "default_result": (Documented("CONTINUE|ABANDON", 8, "Auto Scaling API"),),
        "lifecycle_transition": (
            Documented("autoscaling:EC2_INSTANCE_(LAUNCHING|TERMINATING)", 40, "Auto Scaling API"),
        ),
    },
    "aws_autoscaling_policy": {
        "name": (Api("autoscaling", "PutScalingPolicy", "PolicyName"),),
        "policy_type": (
            Documented("(TargetTracking|Step|Simple|Predictive)Scaling", 64, "Auto Scaling API"),
        ),
        "target_tracking_configuration.customized_metric_specification.metric_name": (
            Api("cloudwatch", "PutMetricData", "MetricData[].MetricName"),
        ),
        "target_tracking_configuration.customized_metric_specification.namespace": (
            Api("cloudwatch", "PutMetricData", "Namespace"),
        ),
        "target_tracking_configuration.customized_metric_specification.statistic": (
            Api("autoscaling", "PutScalingPolicy", f"{_TRACKING}.Statistic"),
        ),
        "target_tracking_configuration.customized_metric_specification.metric_dimension.name": (
            Api("cloudwatch", "PutMetricData", "MetricData[].Dimensions[].Name"),
        ),
        "target_tracking_configuration.predefined_metric_specification.predefined_metric_type": (
            Api(
                "autoscaling",
                "PutScalingPolicy",
                "TargetTrackingConfiguration.PredefinedMetricSpecification.PredefinedMetricType",
            ),
        ),
    },
    "aws_cloudwatch_log_group": {"name": (Api("logs", "CreateLogGroup", "logGroupName"),)},
    "aws_cloudwatch_metric_alarm": {
        "alarm_name": (Api("cloudwatch", "PutMetricAlarm", "AlarmName"),),
        "alarm_description": (Api("cloudwatch", "PutMetricAlarm", "AlarmDescription"),),
        "alarm_actions": (Api("cloudwatch", "PutMetricAlarm", "AlarmActions[]"),),
        "ok_actions": (Api("cloudwatch", "PutMetricAlarm", "OKActions[]"),),
        "comparison_operator": (Api("cloudwatch", "PutMetricAlarm", "ComparisonOperator"),),
        "dimensions{key}": (Api("cloudwatch", "PutMetricAlarm", "Dimensions[].Name"),),
        "dimensions{}": (Api("cloudwatch", "PutMetricAlarm", "Dimensions[].Value"),),
        "metric_name": (Api("cloudwatch", "PutMetricAlarm", "MetricName"),),
        "namespace": (Api("cloudwatch", "PutMetricAlarm", "Namespace"),),
        "statistic": (Api("cloudwatch", "PutMetricAlarm", "Statistic"),),
        "treat_missing_data": (
            Documented("breaching|notBreaching|ignore|missing", 16, "CloudWatch API"),
        ),
    },
    "aws_db_instance": {
        "identifier": (Documented(_IDENTIFIER, 63, "RDS API, CreateDBInstance"),),
        "final_snapshot_identifier": (Documented(_IDENTIFIER, 255, "RDS API, CreateDBSnapshot"),),
        "db_name": (Documented(r"[a-zA-Z_]\w*", 63, "RDS API, CreateDBInstance, PostgreSQL"),),
        "username": (Documented(r"[a-zA-Z]\w*", 63, "RDS API, CreateDBInstance, PostgreSQL"),),
        "engine": (Documented("postgres", 8, "RDS API, CreateDBInstance"),),
        "engine_version": (Documented(r"\d+(\.\d+)?", 8, "RDS guide, PostgreSQL releases"),),
        "instance_class": (
            Documented(r"db\.[a-z0-9-]+\.[a-z0-9-]+", 64, "RDS guide, DB instance classes"),
        ),
        "storage_type": (Documented("gp2|gp3|io1|io2|standard", 8, "RDS API"),),
        "enabled_cloudwatch_logs_exports": (
            Documented("postgresql|upgrade|iam-db-auth-error", 32, "RDS guide, log exports"),
        ),
    },
    "aws_db_parameter_group": {
        "name": (Documented(_IDENTIFIER, 255, "RDS API, CreateDBParameterGroup"),),
        "family": (Documented(r"postgres\d+", 32, "RDS API, CreateDBParameterGroup"),),
        "parameter.name": (Documented(r"[a-z0-9_.]+", 255, "RDS API, Parameter"),),
        "parameter.value": (Exempt("each parameter has a form of its own"),),
        "parameter.apply_method": (Documented("immediate|pending-reboot", 16, "RDS API"),),
    },
    "aws_db_subnet_group": {
        "name": (Documented(r"(?!default$)[a-z0-9._ -]+", 255, "RDS API, CreateDBSubnetGroup"),),
    },
    "aws_default_security_group": _TAGS,
    "aws_eip": {**_TAGS, "domain": (Api("ec2", "AllocateAddress", "Domain"),)},
    "aws_flow_log": {
        **_TAGS,
        "log_destination_type": (Api("ec2", "CreateFlowLogs", "LogDestinationType"),),
        "traffic_type": (Api("ec2", "CreateFlowLogs", "TrafficType"),),
    },
    "aws_iam_instance_profile": {
        "name": (Api("iam", "CreateInstanceProfile", "InstanceProfileName"),),
    },
    "aws_iam_role": {"name": (Api("iam", "CreateRole", "RoleName"),)},
    "aws_iam_role_policy": {"name": (Api("iam", "PutRolePolicy", "PolicyName"),)},
    "aws_iam_role_policy_attachment": {
        "policy_arn": (Api("iam", "AttachRolePolicy", "PolicyArn"),),
    },
    "aws_imagebuilder_component": {
        "name": (Api(_IMAGE_BUILDER, "CreateComponent", "name"),),
        "data": (Api(_IMAGE_BUILDER, "CreateComponent", "data"),),
        "platform": (Api(_IMAGE_BUILDER, "CreateComponent", "platform"),),
        "version": (Api(_IMAGE_BUILDER, "CreateComponent", "semanticVersion"),),
    },
    "aws_imagebuilder_distribution_configuration": {
        "name": (Api(_IMAGE_BUILDER, "CreateDistributionConfiguration", "name"),),
        "distribution.region": (
            Api(_IMAGE_BUILDER, "CreateDistributionConfiguration", "distributions[].region"),
        ),
        "distribution.ami_distribution_configuration.name": (
            Api(_IMAGE_BUILDER, "CreateDistributionConfiguration", f"{_AMI}.name"),
            # With the date of the build, of at most 24 characters, in place of the variable.
            Documented(
                r"[A-Za-z0-9()\[\] ./\-'@_]*(\{\{ imagebuilder:buildDate \}\})",
                128 + len("{{ imagebuilder:buildDate }}") - len("2026-11-29T12-00-00.000Z"),
                "EC2 API, CreateImage, Name",
                shortest=3,
            ),
        ),
        "distribution.ami_distribution_configuration.ami_tags{key}": (
            Api(_IMAGE_BUILDER, "CreateDistributionConfiguration", f"{_AMI}.amiTags{{key}}"),
            TAG_KEY,
        ),
        "distribution.ami_distribution_configuration.ami_tags{}": (
            Api(_IMAGE_BUILDER, "CreateDistributionConfiguration", f"{_AMI}.amiTags{{}}"),
            TAG_VALUE,
        ),
    },
    "aws_imagebuilder_image_pipeline": {
        "name": (Api(_IMAGE_BUILDER, "CreateImagePipeline", "name"),),
    },
    "aws_imagebuilder_image_recipe": {
        "name": (Api(_IMAGE_BUILDER, "CreateImageRecipe", "name"),),
        "version": (
            Api(_IMAGE_BUILDER, "CreateImageRecipe", "semanticVersion"),
            Documented(
                r"(\d{1,9}|10[0-6]\d{7}|107[0-2]\d{6})(\.(\d{1,9}|10[0-6]\d{7}|107[0-2]\d{6})){2}",
                32,
                "Image Builder guide, semantic versioning: parts below 2**30",
            ),
        ),
        "block_device_mapping.device_name": (
            Api(_IMAGE_BUILDER, "CreateImageRecipe", "blockDeviceMappings[].deviceName"),
            _DEVICE,
        ),
        "block_device_mapping.ebs.volume_type": (
            Api(_IMAGE_BUILDER, "CreateImageRecipe", "blockDeviceMappings[].ebs.volumeType"),
        ),
        "block_device_mapping.ebs.encrypted": (_BOOLEAN,),
        "block_device_mapping.ebs.delete_on_termination": (_BOOLEAN,),
        "component.parameter.name": (
            Api(_IMAGE_BUILDER, "CreateImageRecipe", "components[].parameters[].name"),
        ),
        "component.parameter.value": (
            Api(_IMAGE_BUILDER, "CreateImageRecipe", "components[].parameters[].value[]"),
        ),
        "user_data_base64": (
            Api(
                _IMAGE_BUILDER,
                "CreateImageRecipe",
                "additionalInstanceConfiguration.userDataOverride",
            ),
        ),
    },
    "aws_imagebuilder_infrastructure_configuration": {
        "name": (Api(_IMAGE_BUILDER, "CreateInfrastructureConfiguration", "name"),),
        "instance_types": (Api("ec2", _TEMPLATE, "LaunchTemplateData.InstanceType"),),
        "instance_metadata_options.http_tokens": (
            Api(
                _IMAGE_BUILDER,
                "CreateInfrastructureConfiguration",
                "instanceMetadataOptions.httpTokens",
            ),
        ),
        "logging.s3_logs.s3_bucket_name": (_BUCKET,),
        "logging.s3_logs.s3_key_prefix": (
            Api(
                _IMAGE_BUILDER,
                "CreateInfrastructureConfiguration",
                "logging.s3Logs.s3KeyPrefix",
            ),
        ),
    },
    "aws_internet_gateway": _TAGS,
    "aws_kms_alias": {
        "name": (
            Api("kms", "CreateAlias", "AliasName"),
            Documented(r"alias/(?!aws/).+", 256, "KMS API, CreateAlias"),
        ),
    },
    "aws_kms_key": {"description": (Api("kms", "CreateKey", "Description"),)},
    "aws_launch_template": {
        **_TAGS,
        "name": (
            Documented(r"[a-zA-Z0-9().\-/_]+", 128, "EC2 API, CreateLaunchTemplate", shortest=3),
        ),
        "instance_type": (Api("ec2", _TEMPLATE, "LaunchTemplateData.InstanceType"),),
        "iam_instance_profile.name": (Api("iam", "CreateInstanceProfile", "InstanceProfileName"),),
        "image_id": (Documented(r"ami-[0-9a-f]{8,17}", 21, "EC2 API, image ids"),),
        "block_device_mappings.device_name": (_DEVICE,),
        "block_device_mappings.ebs.volume_type": (
            Api("ec2", _TEMPLATE, "LaunchTemplateData.BlockDeviceMappings[].Ebs.VolumeType"),
        ),
        "block_device_mappings.ebs.encrypted": (_BOOLEAN,),
        "block_device_mappings.ebs.delete_on_termination": (_BOOLEAN,),
        "metadata_options.http_endpoint": (
            Api("ec2", _TEMPLATE, "LaunchTemplateData.MetadataOptions.HttpEndpoint"),
        ),
        "metadata_options.http_tokens": (
            Api("ec2", _TEMPLATE, "LaunchTemplateData.MetadataOptions.HttpTokens"),
        ),
        "metadata_options.instance_metadata_tags": (
            Api("ec2", _TEMPLATE, "LaunchTemplateData.MetadataOptions.InstanceMetadataTags"),
        ),
        # Instance metadata serves tags by key, so it takes fewer characters.
        "tag_specifications.tags{key}": (
            Documented(
                r"(?!\.\.?$|_index$)[A-Za-z0-9+\-=.,_:@]+", 128, "EC2 guide, tags in metadata"
            ),
        ),
        "tag_specifications.tags{}": (TAG_VALUE,),
        "tag_specifications.resource_type": (
            Api("ec2", _TEMPLATE, "LaunchTemplateData.TagSpecifications[].ResourceType"),
        ),
        "user_data": (
            Documented("[A-Za-z0-9+/]+={0,2}", 21848, "EC2 guide, user data: 16 KB before base64"),
        ),
    },
    "aws_nat_gateway": _TAGS,
    "aws_route": {
        "destination_cidr_block": (Exempt("an address range, which the provider parses"),),
    },
    "aws_route53_health_check": {
        "tags{key}": (TAG_KEY, Api("route53", "ChangeTagsForResource", "AddTags[].Key")),
        "tags{}": (TAG_VALUE, Api("route53", "ChangeTagsForResource", "AddTags[].Value")),
        "type": (Api("route53", "CreateHealthCheck", "HealthCheckConfig.Type"),),
    },
    "aws_route53_record": {
        "name": (Api("route53", "ChangeResourceRecordSets", f"{_RECORD}.Name"), _HOST_NAME),
        "type": (Api("route53", "ChangeResourceRecordSets", f"{_RECORD}.Type"),),
        "records": (
            Api("route53", "ChangeResourceRecordSets", f"{_RECORD}.ResourceRecords[].Value"),
        ),
        "set_identifier": (Api("route53", "ChangeResourceRecordSets", f"{_RECORD}.SetIdentifier"),),
        "zone_id": (Api("route53", "ChangeResourceRecordSets", "HostedZoneId"),),
    },
    "aws_route_table": _TAGS,
    "aws_route_table_association": {},
    "aws_s3_bucket": {"bucket": (_BUCKET,)},
    "aws_s3_bucket_lifecycle_configuration": {
        "rule.id": (Documented(r"[\x21-\x7e]+", 255, "S3 API, LifecycleRule"),),
        "rule.status": (
            Api(
                "s3",
                "PutBucketLifecycleConfiguration",
                "LifecycleConfiguration.Rules[].Status",
            ),
        ),
        "rule.filter.prefix": (
            Documented(r"[\x20-\x7e]*", 1024, "S3 guide, object key names", shortest=0),
        ),
    },
    "aws_s3_bucket_public_access_block": {},
    "aws_s3_bucket_server_side_encryption_configuration": {
        "rule.apply_server_side_encryption_by_default.sse_algorithm": (
            Api(
                "s3",
                "PutBucketEncryption",
                "ServerSideEncryptionConfiguration.Rules[].ApplyServerSideEncryptionByDefault."
                "SSEAlgorithm",
            ),
        ),
    },
    "aws_s3_bucket_versioning": {
        "versioning_configuration.status": (
            Api("s3", "PutBucketVersioning", "VersioningConfiguration.Status"),
        ),
    },
    "aws_s3_object": {
        "key": (Documented(r"[A-Za-z0-9!_.*'()/-]+", 1024, "S3 guide, object key names"),),
        "content_base64": (Exempt("the content of an object, of any length"),),
        "content_type": (Documented(r"[a-z]+/[a-z0-9.+-]+", 255, "RFC 9110, media types"),),
    },
    "aws_secretsmanager_secret": {
        "name": (
            Api("secretsmanager", "CreateSecret", "Name"),
            # A name that ends like the suffix of an ARN is found as another secret's.
            Documented(
                r"(?!.*-[A-Za-z0-9/_+=.@-]{6}$)[A-Za-z0-9/_+=.@-]+",
                512,
                "Secrets Manager API, CreateSecret, Name",
            ),
        ),
        "description": (Api("secretsmanager", "CreateSecret", "Description"),),
    },
    "aws_security_group": {
        **_TAGS,
        "name": (Documented(f"(?!sg-){_EC2_TEXT}+", 255, "EC2 API, CreateSecurityGroup"),),
        "description": (Documented(f"{_EC2_TEXT}+", 255, "EC2 API, CreateSecurityGroup"),),
    },
    "aws_subnet": {
        **_TAGS,
        "availability_zone": (Documented(r"[a-z]{2}(-[a-z]+)+-\d[a-z]", 32, "EC2 API"),),
        "cidr_block": (Exempt("an address range, which settings and the provider parse"),),
    },
    "aws_vpc": {
        **_TAGS,
        "cidr_block": (Exempt("an address range, which settings and the provider parse"),),
    },
    "aws_vpc_endpoint": {
        **_TAGS,
        "service_name": (Documented(_SERVICE, 255, "EC2 API, DescribeVpcEndpointServices"),),
        "vpc_endpoint_type": (Api("ec2", "CreateVpcEndpoint", "VpcEndpointType"),),
    },
    "aws_vpc_security_group_egress_rule": _SECURITY_GROUP_RULE,
    "aws_vpc_security_group_ingress_rule": _SECURITY_GROUP_RULE,
}
