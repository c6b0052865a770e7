"""What is deployed: as little right, as little exposure and as much scale as the app needs."""

import json

from tests.infra.files import INFRA, ROOT, code, decorator, default, resource, template, texts

ROLES = {
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "storageQueueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "storageQueueDataMessageSender": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
}


def assignments(file: str) -> set[tuple[str, str]]:
    """The roles that a file assigns, each with the resource that it is for."""
    return {
        (
            next(text for text in texts(one["config"]["properties"]) if text in ROLES),
            one["config"]["scope"],
        )
        for one in template(file)["resources"].values()
        if one["type"] == "Microsoft.Authorization/roleAssignments"
    }


def test_role_ids_are_microsofts() -> None:
    """Each role definition id is the documented one of its name."""
    files = [template(name)["variables"] for name in ("roles", "sender", "event-grid")]
    named = {(name, one["value"]) for file in files for name, one in file.items()}
    assert named == set(ROLES.items())


def test_the_app_has_each_right_where_it_needs_it_only() -> None:
    """Only the host's bookkeeping spans the account; queues, table and telemetry are named."""
    assert {
        ("storageBlobDataOwner", "account"),
        ("storageQueueDataContributor", "requests"),
        ("storageQueueDataContributor", "poison"),
        ("storageQueueDataContributor", "rejected"),
        ("storageQueueDataContributor", "outcomes"),
        ("storageTableDataContributor", "ledger"),
        ("monitoringMetricsPublisher", "applicationInsights"),
    } == assignments("roles")


def test_a_producer_may_send_and_nothing_else() -> None:
    """Producers and the topic get the sender's role on one queue: the request queue."""
    modules = template("main")["modules"]
    for file, name in (("sender", "producer"), ("event-grid", "eventGrid")):
        assert {("storageQueueDataMessageSender", "queue")} == assignments(file)
        assert "cancelQueue" == modules[name]["config"]["config"]["params"]["queueName"]


def test_nobody_is_a_producer_unless_named() -> None:
    """Without a principal no role is assigned for one."""
    assert "" == default("producerPrincipalId")
    assert "if (!empty(producerPrincipalId))" in code(INFRA / "main.bicep")


def test_role_assignments_have_names_that_stay() -> None:
    """A second deployment meets the same names: made of scope, principal and role."""
    for file, principal in (
        ("roles", "principalId"),
        ("sender", "principalId"),
        ("event-grid", "topic"),
    ):
        for one in template(file)["resources"].values():
            if one["type"] == "Microsoft.Authorization/roleAssignments":
                made_of = one["config"]["name"]["function"]
                assert "guid" == made_of["type"]
                assert {one["config"]["scope"], principal} <= set(texts(made_of))


def test_storage_takes_no_keys_and_shows_nothing() -> None:
    """No shared keys, no public blobs, no old TLS, no plain HTTP."""
    properties = resource("storage", "account")["properties"]
    expected = {
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "supportsHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_2",
    }
    assert expected == {name: properties[name] for name in expected}
    assert "None" == resource("storage", "packages")["properties"]["publicAccess"]


def test_the_queues_and_the_table_are_deployed() -> None:
    """The four queues and the ledger exist before the app starts, named as the app names them."""
    file = template("storage")
    named = {
        one["config"]["name"]
        for one in file["resources"].values()
        if one["type"].endswith(("/queues", "/tables"))
    }
    assert {"cancelQueue", "poisonQueue", "rejectedQueue", "outcomeQueue", "ledgerTable"} == named
    names = [file["variables"][name]["value"] for name in ("poisonQueue", "rejectedQueue")]
    assert ["${cancelQueue}-poison", "${cancelQueue}-rejected"] == names


def test_telemetry_takes_no_keys() -> None:
    """Application Insights and its workspace accept Entra ID alone."""
    insights = resource("monitoring", "applicationInsights")["properties"]
    workspace = resource("monitoring", "workspace")["properties"]
    assert (True, True) == (insights["DisableLocalAuth"], workspace["features"]["disableLocalAuth"])


def test_the_app_runs_python_on_flex_consumption() -> None:
    """The plan is FC1, the runtime the Python that the requirements are tested on."""
    plan, app = resource("function", "plan"), resource("function", "app")["properties"]
    assert {"name": "FC1", "tier": "FlexConsumption"} == plan["sku"]
    assert {"name": "python", "version": "3.13"} == app["functionAppConfig"]["runtime"]


def test_the_package_is_read_as_the_apps_identity() -> None:
    """The deployment container is opened with the user-assigned identity, without a key."""
    storage = resource("function", "app")["properties"]["functionAppConfig"]["deployment"][
        "storage"
    ]
    assert {
        "type": "blobContainer",
        "value": "${account.properties.primaryEndpoints.blob}${deploymentContainer}",
        "authentication": {
            "type": "UserAssignedIdentity",
            "userAssignedIdentityResourceId": "identityId",
        },
    } == storage


def test_the_app_has_no_identity_but_one() -> None:
    """One user-assigned identity, so that Partner Center need know one principal."""
    identity = resource("function", "app")["identity"]
    assert ("UserAssigned", ["'${identityId}'"]) == (
        identity["type"],
        list(identity["userAssignedIdentities"]),
    )


def test_the_bound_on_cancels_in_flight_is_the_stated_one() -> None:
    """The template's comment counts with host.json's batch size, and with its own default."""
    queues = json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]
    each = queues["batchSize"] + queues["newBatchThreshold"]
    text = (INFRA / "main.bicep").read_text(encoding="utf-8")
    assert f"{queues['batchSize']} + {queues['newBatchThreshold']}" in text
    assert f"maximumInstanceCount \N{MULTIPLICATION SIGN} {each}" in text
    assert f"{each * int(str(default('maximumInstanceCount')))} by default" in text


def test_scale_is_a_choice_within_what_flex_offers() -> None:
    """Memory is one of the sizes on offer, instances go from 1 to 1,000."""
    assert ([512, 2048, 4096], 2048) == (
        decorator("instanceMemoryMB", "allowed"),
        default("instanceMemoryMB"),
    )
    limits = [decorator("maximumInstanceCount", f"{end}_value") for end in ("min", "max")]
    assert ([1, 1000], 40) == (limits, default("maximumInstanceCount"))


def test_the_app_starts_after_its_rights() -> None:
    """Roles come first: an app that may not read its queue fails its first minutes."""
    assert ["roles"] == template("main")["modules"]["app"]["config"]["dependsOn"]


def test_events_arrive_as_cloud_events_and_stay() -> None:
    """The subscription delivers what the app reads, as the topic's identity, unexpiring."""
    properties = resource("event-grid", "feed")["properties"]
    delivery = properties["deliveryWithResourceIdentity"]
    assert "CloudEventSchemaV1_0" == properties["eventDeliverySchema"]
    assert {"type": "SystemAssigned"} == delivery["identity"]
    assert "StorageQueue" == delivery["destination"]["endpointType"]
    lifetime = delivery["destination"]["properties"]["queueMessageTimeToLiveInSeconds"]
    assert {"type": "minus", "operands": {"integer_value": 1}} == lifetime["operator"]


def test_the_topic_takes_no_keys_and_has_an_identity() -> None:
    """Publishers sign in, and what the topic delivers it delivers as itself."""
    topic = resource("event-grid", "topic")
    assert {"type": "SystemAssigned"} == topic["identity"]
    expected = {"disableLocalAuth": True, "minimumTlsVersionAllowed": "1.2"}
    assert expected == {name: topic["properties"][name] for name in expected}
    assert ["sender"] == resource("event-grid", "feed")["dependsOn"]


def test_nothing_is_deployed_outside_the_apps_resource_group() -> None:
    """`azd down` deletes each resource group that was touched: there is but one."""
    modules = template("main")["modules"].values()
    bodies = [one["config"].get("config", one["config"]) for one in modules]
    assert {"group"} == {body["scope"] for body in bodies}
    assert [] == [path.name for path in INFRA.rglob("*.bicep") if "resourceGroup(" in code(path)]


def test_event_grid_is_optional() -> None:
    """Without a topic nothing of Event Grid is deployed."""
    modules = template("main")["modules"]
    conditional = {name for name, one in modules.items() if "condition" in one["config"]}
    assert {"producer", "eventGrid"} == conditional
    assert "" == default("eventGridTopicName")


def test_what_an_operator_needs_next_is_put_out() -> None:
    """The outputs name the app, the identity's two ids, storage, queues, table, monitoring."""
    assert {
        "AZURE_LOCATION",
        "AZURE_TENANT_ID",
        "AZURE_RESOURCE_GROUP",
        "FUNCTION_APP_NAME",
        "IDENTITY_NAME",
        "IDENTITY_CLIENT_ID",
        "IDENTITY_OBJECT_ID",
        "STORAGE_ACCOUNT_NAME",
        "STORAGE_ACCOUNT_ID",
        "CANCEL_QUEUE",
        "CANCEL_QUEUE_URL",
        "REJECTED_QUEUE",
        "OUTCOME_QUEUE",
        "OUTCOME_QUEUE_URL",
        "LEDGER_TABLE",
        "EVENT_GRID_TOPIC_ENDPOINT",
        "APPLICATION_INSIGHTS_NAME",
        "APPLICATION_INSIGHTS_ID",
        "LOG_ANALYTICS_WORKSPACE_ID",
        "WORKBOOK_ID",
    } == set(template("main")["outputs"])
