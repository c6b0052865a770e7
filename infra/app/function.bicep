// The function app on Flex Consumption. Runtime, package and scale are in functionAppConfig; the
// settings that other plans use for them (FUNCTIONS_WORKER_RUNTIME, FUNCTIONS_EXTENSION_VERSION,
// WEBSITE_RUN_FROM_PACKAGE, SCM_DO_BUILD_DURING_DEPLOYMENT) have no place here.

param name string
param planName string
param location string
param tags object
param identityId string
param identityClientId string
param storageAccountName string
param deploymentContainer string
param cancelQueue string
param outcomeQueue string
param ledgerTable string
param applicationInsightsConnectionString string
param instanceMemoryMB int
param maximumInstanceCount int
param submissionApi string
param submissionApiPublisherId string
param partnerApiAppId string
param partnerApiTenantId string
param extraSettings object

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageAccountName
}

// Every connection names its identity. There is no AZURE_CLIENT_ID: it would decide, unseen, for
// any client that forgets to. An empty setting counts as absent.
var settings = {
  AzureWebJobsStorage__blobServiceUri: account.properties.primaryEndpoints.blob
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  CANCEL_STORAGE__queueServiceUri: account.properties.primaryEndpoints.queue
  CANCEL_STORAGE__tableServiceUri: account.properties.primaryEndpoints.table
  CANCEL_STORAGE__credential: 'managedidentity'
  CANCEL_STORAGE__clientId: identityClientId
  CANCEL_QUEUE: cancelQueue
  OUTCOME_QUEUE: outcomeQueue
  LEDGER_TABLE: ledgerTable
  PARTNER_API_CLIENT_ID: identityClientId
  PARTNER_API_APP_ID: partnerApiAppId
  PARTNER_API_TENANT_ID: partnerApiTenantId
  SUBMISSION_API: submissionApi
  SUBMISSION_API_PUBLISHER_ID: submissionApiPublisherId
  PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: 'true'
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  // checkov:skip=CKV_AZURE_225: no request waits in an instance; queue and table are what must survive a zone
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true // Linux
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  // checkov:skip=CKV_AZURE_17: no function answers HTTP, so there is no client to ask for a certificate
  // checkov:skip=CKV_AZURE_212: scales to zero; a request waits on its queue
  // checkov:skip=CKV_AZURE_213: no function answers HTTP, so there is no path to probe
  // checkov:skip=CKV_AZURE_222: deployments come in by the public SCM endpoint, with Entra ID
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${account.properties.primaryEndpoints.blob}${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      http20Enabled: true
      ftpsState: 'Disabled'
      remoteDebuggingEnabled: false
    }
  }
}

resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  // App settings only: these checks look for what stands in other configurations of a site.
  // checkov:skip=CKV_AZURE_13: authentication is for HTTP functions, of which there are none
  // checkov:skip=CKV_AZURE_63: HTTP logging belongs to the configuration "web"
  // checkov:skip=CKV_AZURE_65: detailed HTTP errors belong to the configuration "web"
  // checkov:skip=CKV_AZURE_66: tracing of HTTP requests belongs to the configuration "web"
  // checkov:skip=CKV_AZURE_80: there is no .NET in a Python app
  // checkov:skip=CKV_AZURE_88: Flex Consumption runs from a blob container and mounts no share
  // checkov:skip=CKV_AZURE_222: network access belongs to the site, see there
  parent: app
  name: 'appsettings'
  properties: union(extraSettings, settings)
}

output name string = app.name
