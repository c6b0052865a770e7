// The workbook that operators look at: Application Insights → Workbooks. To change it, edit it in
// the portal and take the result from its advanced editor ("Gallery template").

param location string
param tags object
param applicationInsightsId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(applicationInsightsId, 'offer-cancellation')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Offer cancellation'
    category: 'workbook'
    sourceId: applicationInsightsId // what its queries are asked of
    serializedData: loadTextContent('./workbook.json')
  }
}

output id string = workbook.id
