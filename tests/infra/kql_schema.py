"""The tables of Application Insights as queries in its scope see them.

Columns and types are those of Microsoft's page "Migrate to workspace-based Application Insights
resources" (section "Table schemas", the columns "ApplicationInsights" and "Type").
"""

_COMMON = {
    "appId": "string",
    "appName": "string",
    "application_Version": "string",
    "client_Browser": "string",
    "client_City": "string",
    "client_CountryOrRegion": "string",
    "client_IP": "string",
    "client_Model": "string",
    "client_OS": "string",
    "client_StateOrProvince": "string",
    "client_Type": "string",
    "cloud_RoleInstance": "string",
    "cloud_RoleName": "string",
    "customDimensions": "dynamic",
    "iKey": "string",
    "itemId": "string",
    "itemType": "string",
    "operation_Id": "string",
    "operation_Name": "string",
    "operation_ParentId": "string",
    "operation_SyntheticSource": "string",
    "sdkVersion": "string",
    "session_Id": "string",
    "timestamp": "datetime",
    "user_AccountId": "string",
    "user_AuthenticatedId": "string",
    "user_Id": "string",
}
_ITEM = {"customMeasurements": "dynamic", "itemCount": "int"}
_CALL = {
    "duration": "real",
    "id": "string",
    "name": "string",
    "performanceBucket": "string",
    "resultCode": "string",
    "success": "string",
}
_EXCEPTION_TEXTS = (
    "assembly handledAt innermostAssembly innermostMessage innermostMethod innermostType message "
    "method outerAssembly outerMessage outerMethod outerType problemId type"
)

COLUMNS: dict[str, dict[str, str]] = {
    "customMetrics": {
        **_COMMON,
        "name": "string",
        "value": "real",
        "valueCount": "int",
        "valueMax": "real",
        "valueMin": "real",
        "valueStdDev": "real",
        "valueSum": "real",
    },
    "dependencies": {
        **_COMMON, **_ITEM, **_CALL, "data": "string", "target": "string", "type": "string",
    },
    "exceptions": {
        **_COMMON, **_ITEM, **dict.fromkeys(_EXCEPTION_TEXTS.split(), "string"),
        "details": "dynamic", "severityLevel": "int",
    },
    "requests": {**_COMMON, **_ITEM, **_CALL, "source": "string", "url": "string"},
    "traces": {**_COMMON, **_ITEM, "message": "string", "severityLevel": "int"},
}  # fmt: skip

TABLES = {
    table: f"({', '.join(f'{name}:{kind}' for name, kind in columns.items())})"
    for table, columns in COLUMNS.items()
}
