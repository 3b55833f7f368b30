// The source of the AWS provider of Terraform, pinned. Nothing is built in this module: the source
// is downloaded with its checksum verified against go.sum, trimmed and built as its own module.
module c4/lab/provider

go 1.24
