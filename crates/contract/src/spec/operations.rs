//! Reads the operations out of the lowered document.

use openapiv3::{OpenAPI, Parameter as OpenParameter, ParameterSchemaOrContent, ReferenceOr};

use crate::schema::{SchemaId, Schemas};
use crate::version::OperationId;

/// A method and path, what it takes and what it answers.
#[derive(Clone, Debug)]
pub struct Operation {
    pub id: OperationId,
    /// Upper case.
    pub method: &'static str,
    /// With `{name}` for each path parameter.
    pub path: String,
    pub path_parameters: Vec<Parameter>,
    pub query: Vec<Parameter>,
    /// The JSON body, if the operation takes one.
    pub request: Option<SchemaId>,
    /// `application/json`, `application/x-jsonl`, `text/event-stream`: what a success may look like.
    pub success: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Parameter {
    pub name: String,
    pub schema: SchemaId,
    pub required: bool,
}

impl Operation {
    /// The path with its parameter filled in; operations have one at most.
    pub fn target(&self, id: &str) -> String {
        match (self.path.find('{'), self.path.find('}')) {
            (Some(start), Some(end)) => {
                format!("{}{id}{}", &self.path[..start], &self.path[end + 1..])
            }
            _ => self.path.clone(),
        }
    }

    /// The path parameter's value, if the path is this operation's.
    pub fn matches<'a>(&self, path: &'a str) -> Option<&'a str> {
        match (self.path.find('{'), self.path.find('}')) {
            (Some(start), Some(end)) => {
                let rest =
                    path.strip_prefix(&self.path[..start])?.strip_suffix(&self.path[end + 1..])?;
                (!rest.is_empty() && !rest.contains('/')).then_some(rest)
            }
            _ => (path == self.path).then_some(""),
        }
    }
}

/// All ten, in the order of [`OperationId::ALL`].
pub(super) fn read(document: &OpenAPI, schemas: &mut Schemas) -> Result<Vec<Operation>, String> {
    let mut operations = Vec::new();
    for (path, item) in &document.paths.paths {
        let ReferenceOr::Item(item) = item else {
            return Err(format!("/paths/{path}: a $ref is not supported here"));
        };
        for (method, operation) in item.iter() {
            let method = match method {
                "delete" => "DELETE",
                "get" => "GET",
                "post" => "POST",
                other => {
                    return Err(format!(
                        "/paths/{path}/{other}: the API has only GET, POST and DELETE"
                    ));
                }
            };
            let parameters = item.parameters.iter().chain(&operation.parameters);
            operations.push(read_one(document, schemas, path, method, operation, parameters)?);
        }
    }
    operations.sort_by_key(|operation| operation.id);
    match OperationId::ALL
        .into_iter()
        .find(|id| operations.iter().all(|operation| operation.id != *id))
    {
        Some(missing) => Err(format!("/paths: no operation has the operationId `{missing}`")),
        None => Ok(operations),
    }
}

fn read_one<'a>(
    document: &OpenAPI,
    schemas: &mut Schemas,
    path: &str,
    method: &'static str,
    operation: &openapiv3::Operation,
    parameters: impl Iterator<Item = &'a ReferenceOr<OpenParameter>>,
) -> Result<Operation, String> {
    let at = format!("/paths/{path}/{method}");
    let name = operation.operation_id.as_deref().unwrap_or_default();
    let id = OperationId::parse(name)
        .ok_or_else(|| format!("{at}: operationId `{name}` is not one of the ten"))?;
    let (mut path_parameters, mut query) = (Vec::new(), Vec::new());
    for parameter in parameters {
        let parameter = resolve_parameter(document, parameter, &at)?;
        let list = match parameter {
            OpenParameter::Path { .. } => &mut path_parameters,
            OpenParameter::Query { .. } => &mut query,
            OpenParameter::Header { .. } | OpenParameter::Cookie { .. } => continue,
        };
        let data = parameter.parameter_data_ref();
        let ParameterSchemaOrContent::Schema(schema) = &data.format else {
            return Err(format!("{at}: parameter {} has no schema", data.name));
        };
        let schema = schemas.add(schema, &format!("{at}/parameters/{}", data.name))?;
        list.push(Parameter { name: data.name.clone(), schema, required: data.required });
    }
    let body = operation.request_body.as_ref().and_then(ReferenceOr::as_item);
    let request = body
        .and_then(|body| body.content.get("application/json"))
        .and_then(|media| media.schema.as_ref());
    let request =
        request.map(|schema| schemas.add(schema, &format!("{at}/requestBody"))).transpose()?;
    let ok = operation
        .responses
        .responses
        .get(&openapiv3::StatusCode::Code(200))
        .and_then(ReferenceOr::as_item);
    let success = ok.map(|ok| ok.content.keys().cloned().collect()).unwrap_or_default();
    Ok(Operation { id, method, path: path.to_owned(), path_parameters, query, request, success })
}

fn resolve_parameter<'a>(
    document: &'a OpenAPI,
    parameter: &'a ReferenceOr<OpenParameter>,
    at: &str,
) -> Result<&'a OpenParameter, String> {
    match parameter {
        ReferenceOr::Item(parameter) => Ok(parameter),
        ReferenceOr::Reference { reference } => reference
            .strip_prefix("#/components/parameters/")
            .and_then(|name| document.components.as_ref()?.parameters.get(name))
            .and_then(ReferenceOr::as_item)
            .ok_or_else(|| format!("{at}: `$ref: {reference}` names no component parameter")),
    }
}
