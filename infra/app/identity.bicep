// The one identity of the app: for its host, its queues, its table, its telemetry and the API.
// User-assigned, so that its ids are known before the app exists, and stay when the app is
// recreated: the publisher account in Partner Center refers to them.

param name string
param location string
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
  tags: tags
}

output id string = identity.id
output name string = identity.name
output clientId string = identity.properties.clientId
output principalId string = identity.properties.principalId
