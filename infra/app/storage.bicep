// One account for the app's queues and table, the host's bookkeeping and the deployed package.
// Entra ID is the only way in: no shared keys, so no SAS either, and no public blobs.

param name string
param location string
param tags object
param skuName string
param cancelQueue string
param outcomeQueue string
param ledgerTable string

var deploymentContainer = 'app-package'
var poisonQueue = '${cancelQueue}-poison' // named by the Functions host, not by us
var rejectedQueue = '${cancelQueue}-rejected' // named by the app

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  // checkov:skip=CKV_AZURE_35: producers and Event Grid reach the queues from outside; Entra ID guards them
  // checkov:skip=CKV_AZURE_59: the same: the endpoint is public, what it holds is not
  // checkov:skip=CKV_AZURE_206: a parameter; its default, in main.bicep, replicates across zones
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: skuName
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Enabled'
    // With `defaultAction: 'Deny'` the app needs a virtual network and private endpoints, producers
    // a way in, and Event Grid can deliver with a system-assigned identity only (it does here).
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Allow'
    }
  }
}

// Each child is a resource of its own: nested ones stay unseen by the offline checks.
resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: 7
    }
  }
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: deploymentContainer
  properties: {
    publicAccess: 'None'
  }
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource requests 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = {
  parent: queues
  name: cancelQueue
}

resource poison 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = {
  parent: queues
  name: poisonQueue
}

resource rejected 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = {
  parent: queues
  name: rejectedQueue
}

resource outcomes 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = {
  parent: queues
  name: outcomeQueue
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource ledger 'Microsoft.Storage/storageAccounts/tableServices/tables@2023-05-01' = {
  parent: tables
  name: ledgerTable
}

output id string = account.id
output name string = account.name
output queueEndpoint string = account.properties.primaryEndpoints.queue
output deploymentContainer string = deploymentContainer
output poisonQueue string = poisonQueue
output rejectedQueue string = rejectedQueue
