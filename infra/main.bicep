// Everything the app needs, in a resource group of its own. `azd up` deploys it; docs/deploy.md
// says what to do before and after.
//
// Nothing here reaches into another resource group: `azd down` deletes every group that a
// deployment touched, whoever made it.

targetScope = 'subscription'

@minLength(1)
@maxLength(64)
@description('Name of the azd environment: part of the resource group\'s name, and a tag of everything.')
param environmentName string

@minLength(1)
@description('A region that offers Flex Consumption: `az functionapp list-flexconsumption-locations`.')
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@minLength(3)
@maxLength(54)
@description('The queue that requests come in on. Its poison queue and its rejected queue are named after it.')
param cancelQueue string = 'cancel-requests'

@minLength(3)
@maxLength(63)
@description('The queue that outcome events go out on.')
param outcomeQueue string = 'cancel-outcomes'

@minLength(3)
@maxLength(63)
@description('The table that remembers every request.')
param ledgerTable string = 'cancellations'

@allowed([
  'Standard_ZRS'
  'Standard_LRS'
  'Standard_GRS'
  'Standard_GZRS'
])
@description('How storage is replicated. Standard_LRS where the region has no availability zones.')
param storageSku string = 'Standard_ZRS'

@allowed([
  512
  2048
  4096
])
@description('Memory of an instance; processor time comes with it.')
param instanceMemoryMB int = 2048

// What this bounds: Flex Consumption scales each function by itself (only HTTP, Durable and Event
// Grid blob triggers share instances), and the maximum holds for each. The queue trigger works on
// at most batchSize + newBatchThreshold = 16 + 8 messages an instance (host.json), so at most
// maximumInstanceCount × 24 cancels wait for the API at once: 960 by default. The timer is a
// singleton on an instance of its own, with POLL_CONCURRENCY polls. An API that throttles is
// served better by a lower maximum; 40 was the least at first, and a region may still refuse less.
@minValue(1)
@maxValue(1000)
@description('At most so many instances for the queue trigger: times 24 cancels in flight.')
param maximumInstanceCount int = 40

@description('Object id of a user, group or service principal that may send requests. Empty: nobody yet.')
param producerPrincipalId string = ''

@allowed([
  'ServicePrincipal'
  'User'
  'Group'
])
@description('What producerPrincipalId is.')
param producerPrincipalType string = 'ServicePrincipal'

@maxLength(50)
@description('Name of an Event Grid topic to make, whose events are requests. Empty: none.')
param eventGridTopicName string = ''

@description('Only events of this type are requests. Empty: all events of the topic.')
param eventGridEventType string = ''

@allowed([
  'off'
  'on'
])
@description('Whether requests for submissions of newer products are taken (Partner Center\'s submission API).')
param submissionApi string = 'off'

@description('A positive number that the submission API gets as x-ms-publisherId. Empty: none.')
param submissionApiPublisherId string = ''

@description('Application (client) id of an app registration to sign in to the APIs as. Empty: as the identity itself.')
param partnerApiAppId string = ''

@description('Id of the tenant that the application signs in to. Empty without an application.')
param partnerApiTenantId string = ''

@description('More app settings (see the table in README.md), such as CANCEL_DEADLINE_HOURS. Those of the template win.')
param extraSettings object = {}

@description('Who gets an e-mail when an alert fires. Empty: nobody; alerts still show in the portal.')
param alertEmail string = ''

@description('Id of an action group that exists already, for alerts to go to as well. Empty: none.')
param alertActionGroupId string = ''

@description('Where docs/runbook.md is read: alerts link to its sections. Best a URL of your repository.')
param runbookUrl string = 'docs/runbook.md'

@minValue(5)
@maxValue(1440)
@description('Alert when the oldest pending request is older than so many minutes.')
param oldestPendingMinutes int = 60

@minValue(1)
@description('Alert when more attempts than this, and more than three times the usual number, were put off in a quarter of an hour.')
param deferralsBound int = 20

// Log alerts know these windows. Telemetry is some minutes on its way, so fewer than ten would cry
// wolf; a slower POLL_SCHEDULE needs more.
@allowed([
  'PT10M'
  'PT15M'
  'PT30M'
  'PT45M'
  'PT1H'
  'PT2H'
  'PT3H'
  'PT4H'
  'PT5H'
  'PT6H'
  'P1D'
  'P2D'
])
@description('Alert when no tick was heard of for so long: three periods of POLL_SCHEDULE, and the time that telemetry takes.')
param silenceWindow string = 'PT10M'

var abbreviations = loadJsonContent('./abbreviations.json')
var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var functionAppName = '${abbreviations.webSitesFunctions}${token}'
var resourceGroupName = '${abbreviations.resourcesResourceGroups}${environmentName}'

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: resourceGroupName
  location: location
  tags: tags
}

module identity 'app/identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: '${abbreviations.managedIdentityUserAssignedIdentities}${token}'
    location: location
    tags: tags
  }
}

module storage 'app/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: '${abbreviations.storageStorageAccounts}${token}'
    location: location
    tags: tags
    skuName: storageSku
    cancelQueue: cancelQueue
    outcomeQueue: outcomeQueue
    ledgerTable: ledgerTable
  }
}

module monitoring 'app/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: '${abbreviations.operationalInsightsWorkspaces}${token}'
    applicationInsightsName: '${abbreviations.insightsComponents}${token}'
    location: location
    tags: tags
  }
}

module roles 'app/roles.bicep' = {
  name: 'roles'
  scope: group
  params: {
    storageAccountName: storage.outputs.name
    cancelQueue: cancelQueue
    poisonQueue: storage.outputs.poisonQueue
    rejectedQueue: storage.outputs.rejectedQueue
    outcomeQueue: outcomeQueue
    ledgerTable: ledgerTable
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    principalId: identity.outputs.principalId
  }
}

module app 'app/function.bicep' = {
  name: 'app'
  scope: group
  params: {
    name: functionAppName
    planName: '${abbreviations.webServerFarms}${token}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageAccountName: storage.outputs.name
    deploymentContainer: storage.outputs.deploymentContainer
    cancelQueue: cancelQueue
    outcomeQueue: outcomeQueue
    ledgerTable: ledgerTable
    applicationInsightsConnectionString: monitoring.outputs.applicationInsightsConnectionString
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    submissionApi: submissionApi
    submissionApiPublisherId: submissionApiPublisherId
    partnerApiAppId: partnerApiAppId
    partnerApiTenantId: partnerApiTenantId
    extraSettings: extraSettings
  }
  dependsOn: [
    roles // the app must not start before its identity may read storage
  ]
}

module producer 'app/sender.bicep' = if (!empty(producerPrincipalId)) {
  name: 'producer'
  scope: group
  params: {
    storageAccountName: storage.outputs.name
    queueName: cancelQueue
    principalId: producerPrincipalId
    principalType: producerPrincipalType
  }
}

module eventGrid 'app/event-grid.bicep' = if (!empty(eventGridTopicName)) {
  name: 'event-grid'
  scope: group
  params: {
    name: eventGridTopicName
    location: location
    tags: tags
    storageAccountName: storage.outputs.name
    queueName: cancelQueue
    eventType: eventGridEventType
  }
}

module alerts 'app/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: tags
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    email: alertEmail
    actionGroupId: alertActionGroupId
    runbookUrl: runbookUrl
    oldestPendingMinutes: oldestPendingMinutes
    deferralsBound: deferralsBound
    silence: silenceWindow
  }
}

module workbook 'app/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: {
    location: location
    tags: tags
    applicationInsightsId: monitoring.outputs.applicationInsightsId
  }
}

// azd keeps these in its environment: `azd env get-value NAME`.
output AZURE_LOCATION string = location
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = group.name
output FUNCTION_APP_NAME string = app.outputs.name

// For Partner Center: the enterprise application of the identity is found by either id.
output IDENTITY_NAME string = identity.outputs.name
output IDENTITY_CLIENT_ID string = identity.outputs.clientId
output IDENTITY_OBJECT_ID string = identity.outputs.principalId

// For producers, consumers and operators.
output STORAGE_ACCOUNT_NAME string = storage.outputs.name
output STORAGE_ACCOUNT_ID string = storage.outputs.id
output CANCEL_QUEUE string = cancelQueue
output CANCEL_QUEUE_URL string = '${storage.outputs.queueEndpoint}${cancelQueue}'
output REJECTED_QUEUE string = storage.outputs.rejectedQueue
output OUTCOME_QUEUE string = outcomeQueue
output OUTCOME_QUEUE_URL string = '${storage.outputs.queueEndpoint}${outcomeQueue}'
output LEDGER_TABLE string = ledgerTable
output EVENT_GRID_TOPIC_ENDPOINT string = empty(eventGridTopicName) ? '' : eventGrid.outputs.endpoint

// For looking after it.
output APPLICATION_INSIGHTS_NAME string = monitoring.outputs.applicationInsightsName
output APPLICATION_INSIGHTS_ID string = monitoring.outputs.applicationInsightsId
output LOG_ANALYTICS_WORKSPACE_ID string = monitoring.outputs.workspaceId
output WORKBOOK_ID string = workbook.outputs.id
